package parallel

import "sync/atomic"

// inject is the function that Point calls; nil except in tests.
var inject atomic.Pointer[func(stage string)]

// Point marks a stage of the work, such as "decode" or "match", so that tests can make it fail
// there. Outside tests it does nothing.
func Point(stage string) {
	if f := inject.Load(); f != nil {
		(*f)(stage)
	}
}

// Inject makes Point call f with the name of its stage until restore is called. It is for tests.
func Inject(f func(stage string)) (restore func()) {
	before := inject.Swap(&f)
	return func() { inject.Store(before) }
}
