package localize

import "github.com/declip/declip/internal/forensics"

// Detectors lists the detectors that a network's Spec can name, in the order in which they run.
func Detectors() []string { return forensics.Names() }

// CheckDetectors returns an error if there is no detector of one of these names; it lists the known
// ones.
func CheckDetectors(names []string) error {
	_, err := forensics.Select(names)
	return err
}
