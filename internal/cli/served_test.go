package cli

import (
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
