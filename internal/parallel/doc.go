// Package parallel runs work in goroutines and turns their panics into errors.
//
// A panic in a goroutine normally ends the whole process. Here it becomes a [*PanicError]: an error of the
// picture or request that the goroutine worked for, or a panic of the goroutine that waits for the work, which
// [Catch] turns into an error further up. No other package starts goroutines; a test keeps it that way.
package parallel
