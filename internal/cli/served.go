package cli

import (
	"fmt"
	"log/slog"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/serve"
)

// knownLimits are the known weaknesses of built-in models, for the web page and GET /v1/models.
// docs/lite.md has the measurements.
var knownLimits = map[string][]string{
	"lite": {
		"It misses much in pictures that were recompressed (JPEG quality below 90), blurred or resized after the manipulation.",
		"It often misses seamlessly blended edges, areas filled by example, and small areas.",
		"Faces and other skin, sky, areas out of focus, saturated lights, text and fine regular texture raise false alarms.",
		"Captions, logos, retouching, filters, HDR modes and panoramas leave the same traces as a forgery.",
		"It judges traces in pixels, not what a picture shows: it does not distinguish a synthetic picture from a photograph.",
	},
}

// measured are the rates of built-in models' grades on the web page. docs/page.md says how they
// were counted. They hold for the weights with the digest only, and not for --thorough.
var measured = map[string]measurement{
	"lite": {
		digest: "422ca7c842900d4ab0b3893515e99ce6164a53bd259f209b5e813640b0e3f1e8",
		rates: serve.Measured{
			Threshold: 0.5,
			Pictures:  "photographs that the model never saw, and pictures that \"declip forge\" made from them",
			Untouched: serve.Grades{None: 181, Faint: 0, Some: 7, Clear: 4},
			Forged:    serve.Grades{None: 125, Faint: 1, Some: 76, Clear: 198},
		},
	},
}

type measurement struct {
	digest string // SHA-256 of the model's file, in hexadecimal
	rates  serve.Measured
}

// paperLimits are those of models that see the picture scaled to their input.
var paperLimits = []string{
	"It sees the whole picture scaled to its input, so it misses small manipulated areas.",
	"It often misses manipulations by generators unlike those it was trained on.",
}

// describeServed describes a model for clients.
func describeServed(name, source string, model *localize.Model) (serve.Model, error) {
	made, err := model.Provenance()
	if err != nil {
		return serve.Model{}, err
	}
	m := serve.Model{
		Name: name, Provenance: made, Localizer: model, Coefficients: model.ReadsCoefficients(),
		KnownLimits: knownLimits[source], Description: "a custom model",
	}
	info := model.Info()
	if m.KnownLimits == nil && info.SizeMode == localize.SizeResize {
		m.KnownLimits = paperLimits
	}
	if e, ok := models.Lookup(source); ok {
		m.Description = fmt.Sprintf("%s; trained on %s", e.About, e.TrainedOn)
		m.Licence = &serve.Licence{Name: e.Licence.Weights, Note: e.Licence.Note, Attribution: e.Licence.Attribution, URL: e.Licence.URL}
	} else if models.BuiltIn(source) {
		m.Description = "built in: small, for splices, copies and painted-over areas in photographs"
		m.Licence = &serve.Licence{Name: "Apache-2.0, as the program's", URL: "https://www.apache.org/licenses/LICENSE-2.0"}
		if known, ok := measured[source]; ok && known.digest == models.SHA256(source) && !made.Thorough {
			m.Measured = &known.rates
		}
	}
	return m, nil
}

// warmPicture is a small picture that is not of one color.
func warmPicture() *picture.Picture {
	m := picture.NewGray(64, 64)
	for i := range m.Pix {
		m.Pix[i] = uint8(i * 37)
	}
	return picture.New(m.ToRGB())
}

// Forms of the log, values of --log.
const (
	logText = "text"
	logJSON = "json"
	logOff  = "off"
)

// newLog makes the log of a server. It also makes standard error a LogWriter for the rest of the
// run, so that neither requests nor the end of the process wait for its reader.
func (a *app) newLog(form string) (log *slog.Logger, dropped func() int64) {
	ignoreBrokenPipes()
	w := serve.NewLogWriter(a.stderr)
	a.stderr, a.closeStderr = w, w.Close
	switch form {
	case logJSON:
		log = slog.New(slog.NewJSONHandler(w, nil))
	case logOff:
		log = slog.New(slog.DiscardHandler)
	default:
		log = slog.New(slog.NewTextHandler(w, nil))
	}
	return log, w.Dropped
}
