package localize

import "context"

type progressKey struct{}

// WithProgress gives a context that hears how far a model is with pictures that it takes through in
// tiles: report is called after each tile with the number of tiles done and their total. It is
// called from the goroutines that compute, and has to return at once.
func WithProgress(ctx context.Context, report func(done, total int)) context.Context {
	return context.WithValue(ctx, progressKey{}, report)
}

// ReportProgress gives the report of a context; it does nothing if the context has none.
func ReportProgress(ctx context.Context) func(done, total int) {
	if report := progressOf(ctx); report != nil {
		return report
	}
	return func(int, int) {}
}

// progressOf gives the report of a context; nil if it has none.
func progressOf(ctx context.Context) func(done, total int) {
	report, _ := ctx.Value(progressKey{}).(func(done, total int))
	return report
}

// withShare gives a context whose progress is the k-th of n equal shares of that of ctx, so that
// the progress of several networks or pictures together does not fall back.
func withShare(ctx context.Context, k, n int) context.Context {
	report := progressOf(ctx)
	if report == nil || n < 2 {
		return ctx
	}
	return WithProgress(ctx, func(done, total int) { report(k*total+done, n*total) })
}
