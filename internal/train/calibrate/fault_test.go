package calibrate

import (
	"context"
	"strings"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/parallel"
)

// A panic over a picture ends the calibration with an error that names the picture.
func TestPanicNamesThePicture(t *testing.T) {
	bad := Picture{Name: "a.png", Load: func() (dataset.Sample, error) { panic("injected") }}
	_, err := measure(context.Background(), Options{Pictures: []Picture{bad}, Workers: 2}, nil, 0, []float64{0}, thresholds)
	if parallel.Stack(err) == nil || !strings.HasPrefix(err.Error(), "a.png: ") {
		t.Errorf("got %v, expected the panic with the picture's name", err)
	}
}
