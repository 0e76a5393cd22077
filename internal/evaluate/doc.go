// Package evaluate measures models on pictures whose ground truth is known.
//
// Run takes the pictures, as they are and perturbed, through a Predictor and scores the maps at
// full resolution. A predictor is made from opened models (Models) or from a directory of maps
// (Maps) or a function (Func). Summarize averages the scores and gives confidence intervals.
//
//	options := evaluate.DefaultOptions()
//	options.Batch = 8
//	runs, err := evaluate.Run(ctx, source, predictor, options)
//	for _, run := range runs {
//		summary := evaluate.Summarize(run.Pictures, evaluate.DefaultSummaryOptions())
//	}
package evaluate
