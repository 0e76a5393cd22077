package cli

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/serve"
)

// knownLimits are where a built-in model is known to be wrong, for the page and
// GET /v1/models; docs/lite.md has the measurements.
var knownLimits = map[string][]string{
	"lite": {
		"Pictures that were recompressed strongly (JPEG quality under 90), blurred or resized after the manipulation hide much from it.",
		"Seamlessly blended edges and filling by example are often missed; small manipulated areas, too.",
		"Sky, areas out of focus, saturated lights, text and fine regular texture raise false alarms.",
		"Captions, logos, retouching, filters, HDR modes and panoramas leave the same kind of traces as a forgery.",
		"It looks for traces in pixels, not for what a picture shows: it does not tell a synthetic picture from a photograph.",
	},
}

// paperLimits are those of models that see a picture scaled to their input.
var paperLimits = []string{
	"It sees the whole picture scaled to its input, so that small manipulated areas are lost.",
	"Manipulations by generators unlike those it was trained on are often missed.",
}

// describeServed says what a model is.
func describeServed(name, source string, model *localize.Model) serve.Model {
	m := serve.Model{Name: name, Localizer: model, KnownLimits: knownLimits[source], Description: "a model of your own"}
	info := model.Info()
	if m.KnownLimits == nil && info.SizeMode == localize.SizeResize {
		m.KnownLimits = paperLimits
	}
	if e, ok := models.Lookup(source); ok {
		m.Description = fmt.Sprintf("%s; trained on %s", e.About, e.TrainedOn)
	} else if models.BuiltIn(source) {
		m.Description = "built in: small, for splices, copies and painted-over areas in photographs"
	}
	return m
}

// warmPicture is small, and not flat.
func warmPicture() *picture.Picture {
	m := picture.NewGray(64, 64)
	for i := range m.Pix {
		m.Pix[i] = uint8(i * 37)
	}
	return picture.New(m.ToRGB())
}

func (a *app) newLog(form string) *slog.Logger {
	switch form {
	case "json":
		return slog.New(slog.NewJSONHandler(a.stderr, nil))
	case "off":
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.stderr, nil))
}

// size is a flag for a number of bytes, as 32MiB.
type size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

// String is part of pflag.Value.
func (s *size) String() string {
	for _, u := range []int{2, 1, 0} {
		if unit := sizeUnits[u]; *s > 0 && int64(*s)%unit.bytes == 0 {
			return strconv.FormatInt(int64(*s)/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

// Set is part of pflag.Value.
func (s *size) Set(text string) error {
	number, factor := text, int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			number, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || n > (1<<50)/factor {
		return fmt.Errorf("expected a size such as 32MiB or 2GiB")
	}
	*s = size(n * factor)
	return nil
}

// Type is part of pflag.Value.
func (s *size) Type() string { return "size" }
