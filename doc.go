// Package declip shows where a picture was manipulated. It opens a localization
// model and gives, for every pixel, the probability that it was changed.
//
//	model, err := declip.Open("lite", declip.Options{})
//	if err != nil {
//		return err
//	}
//	defer model.Close()
//	result, err := model.LocalizeFile(ctx, "photo.jpg")
//	if err != nil {
//		return err
//	}
//	fmt.Printf("%.1f %% of the pixels look manipulated\n", 100*result.ManipulatedFraction)
//
// The model "lite" is built in; others are files. ONNX Runtime runs the networks.
// Its shared library must be installed: ErrNoLibrary says how to get it.
//
// # Pictures
//
// [Decode] and [DecodeFile] read a picture file the way the models were trained to
// see it, and keep what the file says besides its pixels: the format, the EXIF
// orientation and the quantisation steps of a JPEG. Pass the [Picture] to
// [Model.Localize]. Other values of type image.Image work too, but give slightly
// different maps: package image/jpeg decodes colour with less precision, and
// evidence that needs the quantisation steps is not looked for.
//
// # What a map means
//
// A map of probabilities shows where to look. It is not proof: models miss
// manipulations unlike those they were trained on, and they can be wrong about
// untouched pictures.
//
// # Compatibility
//
// Names of this package stay as they are within a major version.
package declip
