// Package evaluation scores maps of manipulation probability against known masks.
//
// The scores are those of "declip eval": those of the paper, whose F1 ignores a band along the
// mask's border, and those that other tools compute over all pixels (plain F1, balanced accuracy,
// Matthews' correlation coefficient), as averages over pictures and pooled over their pixels. Whole
// pictures are scored too, if there are manipulated and untouched ones.
//
// Pictures are added one at a time. Only their scores are kept, not their maps, so a set may have
// any size. Maps that are given need no model and no engine:
//
//	e, err := evaluation.New(evaluation.Options{})
//	for _, file := range files {
//		scores, err := e.Add(evaluation.Picture{Name: file, Map: predict(file), Mask: readMask(file)})
//	}
//	fmt.Println(*e.Summary().F1Plain)
//
// [Run] takes the pictures of data sets through a model, several at a time.
//
// # Compatibility
//
// Names of this package, and the names of its JSON fields, stay as they are within a major version.
package evaluation
