package forensics

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/declip/declip/internal/forensics/copymove"
	"github.com/declip/declip/internal/forensics/doublejpeg"
	"github.com/declip/declip/internal/picture"
)

// detectors are all that there are, in the order in which they run and mark.
var detectors = []Detector{
	detector("double-jpeg", NetworkMap, doublejpeg.Find),
	detector("copies", PictureMap, copymove.Find),
}

// Detector looks for one kind of trace.
type Detector interface {
	// Name is how a network's Spec and flags name it.
	Name() string
	// Find looks for the traces in a picture. When ctx ends it returns ctx's error within about 50 ms.
	Find(ctx context.Context, p *picture.RGB) (Finding, error)
}

// Finding is what a detector found in a picture, which may be nothing.
type Finding interface {
	// Stage says which map Mark takes.
	Stage() Stage
	// Mark raises the probabilities of a map of the picture where the traces are. It lowers none.
	Mark(m *picture.Map)
}

// Stage is one of the maps of a picture that findings are marked in.
type Stage int

const (
	// NetworkMap is the network's own map, before regions are judged and the map is enlarged.
	NetworkMap Stage = iota
	// PictureMap is the map at the picture's size.
	PictureMap
)

// Names lists the detectors by name.
func Names() []string {
	names := make([]string, len(detectors))
	for i, d := range detectors {
		names[i] = d.Name()
	}
	return names
}

// Select gives the detectors with these names, in the order in which they run. A name that there is
// none of is an error that lists the known ones.
func Select(names []string) ([]Detector, error) {
	for _, name := range names {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("unknown detector %q: expected one of %s", name, strings.Join(Names(), ", "))
		}
	}
	var list []Detector
	for _, d := range detectors {
		if slices.Contains(names, d.Name()) {
			list = append(list, d)
		}
	}
	return list, nil
}

// marker is a finding of a detector's package.
type marker interface{ Mark(m *picture.Map) }

// detector makes a Detector of a search, whose findings are marked in the map of the given stage.
func detector[F marker](name string, stage Stage, find func(context.Context, *picture.RGB) (F, error)) Detector {
	return search[F]{name, stage, find}
}

// search is a detector whose findings are of type F.
type search[F marker] struct {
	name  string
	stage Stage
	find  func(context.Context, *picture.RGB) (F, error)
}

func (s search[F]) Name() string { return s.name }

func (s search[F]) Find(ctx context.Context, p *picture.RGB) (Finding, error) {
	found, err := s.find(ctx, p)
	if err != nil {
		return nil, err
	}
	return finding{found, s.stage}, nil
}

// finding is a Finding for the map of one stage.
type finding struct {
	marker
	stage Stage
}

func (f finding) Stage() Stage { return f.stage }
