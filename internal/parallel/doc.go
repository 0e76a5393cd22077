// Package parallel runs work in goroutines and turns their panics into errors.
//
// A panic in a goroutine normally ends the whole process. Here it becomes a [*PanicError]: an error
// of the picture or request that the goroutine worked for, or a panic of the goroutine that waits
// for the work, which [Catch] turns into an error further up. Work that ends its goroutine with
// [runtime.Goexit] is reported as [ErrExited]. Faults that Go itself treats as fatal, such as
// concurrent map writes, still end the process.
//
// No other package starts goroutines; a test enforces this.
package parallel
