package cli

import (
	"net"
	"testing"

	"github.com/declip/declip/internal/models"
)

// Rates belong to weights: with other weights they have to be measured again.
func TestMeasuredRatesAreOfTheEmbeddedWeights(t *testing.T) {
	for _, name := range models.Names() {
		known, ok := measured[name]
		if !ok {
			t.Errorf("%s: no measured rates of the grades on the web page", name)
			continue
		}
		if got := models.SHA256(name); got != known.digest {
			t.Errorf("%s has the SHA-256 %s, its rates were measured with %s: measure them again (docs/page.md)", name, got, known.digest)
		}
	}
}

// The address is printed as it was given, with the port that was chosen.
func TestAddressAsGiven(t *testing.T) {
	listening := &net.TCPAddr{IP: net.IPv6unspecified, Port: 4321}
	for given, want := range map[string]string{
		"0.0.0.0:8080": "0.0.0.0:4321", "localhost:0": "localhost:4321", "[::1]:0": "[::1]:4321", ":8080": "[::]:4321",
	} {
		if got := asGiven(listening, given); got != want {
			t.Errorf("%s: printed as %s, expected %s", given, got, want)
		}
	}
}
