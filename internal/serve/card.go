package serve

// Licence names the terms of a model's weights.
type Licence struct {
	Name        string `json:"name"`                  // such as Apache-2.0
	Note        string `json:"note,omitempty"`        // what else the publisher asks for
	Attribution string `json:"attribution,omitempty"` // the authors, as the terms ask for it
	URL         string `json:"url,omitempty"`         // of the terms
}

// Measured is how often pictures had each of the grades of evidence that the web page shows.
type Measured struct {
	Threshold float64 `json:"threshold"` // for which it was measured; at another the counts differ
	Pictures  string  `json:"pictures"`  // which pictures these were
	Untouched Grades  `json:"untouched"`
	Forged    Grades  `json:"forged"`
}

// Grades counts pictures by grade. docs/page.md says what the grades mean.
type Grades struct {
	None  int `json:"none"`
	Faint int `json:"faint"`
	Some  int `json:"some"`
	Clear int `json:"clear"`
}

// measuredAt is what was measured, if that was at the given threshold.
func (m Model) measuredAt(threshold float64) *Measured {
	if m.Measured == nil || m.Measured.Threshold != threshold {
		return nil
	}
	return m.Measured
}
