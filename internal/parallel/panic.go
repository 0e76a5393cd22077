package parallel

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// ErrExited is the error of work that ended its goroutine with [runtime.Goexit] instead of
// returning.
var ErrExited = errors.New("internal error, please report it: the work ended its goroutine")

// PanicError is a panic as an error.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // of the goroutine that panicked, taken at the panic
}

// Error says that the program is at fault, not its input.
func (e *PanicError) Error() string {
	return fmt.Sprintf("internal error, please report it: %v", e.Value)
}

// Unwrap returns the value if it is an error, such as a runtime.Error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Stack returns the stack of the panic that err reports, or nil if err reports none.
func Stack(err error) []byte {
	var p *PanicError
	if errors.As(err, &p) {
		return p.Stack
	}
	return nil
}

// Catch runs f and returns its panic, if any, as a *PanicError.
func Catch(f func() error) (err error) {
	defer Recover(&err)
	return f()
}

// Recover stores a panic in err as a *PanicError. It must be deferred itself, not called by a
// deferred function.
func Recover(err *error) {
	if value := recover(); value != nil {
		*err = toError(value)
	}
}

// toError keeps the stack of a panic that another goroutine has already reported.
func toError(value any) *PanicError {
	switch v := value.(type) {
	case repeated:
		return v.PanicError
	case *PanicError:
		return v
	}
	return &PanicError{value, debug.Stack()}
}

// repeated is the value of a panic that repeats another goroutine's. If nothing recovers it, Go
// prints its text, which therefore includes the stack of the first panic.
type repeated struct{ *PanicError }

func (r repeated) Error() string { return fmt.Sprintf("%v\n\n%s", r.PanicError, r.Stack) }

// repeat panics with err, which another goroutine reported.
func repeat(err error) {
	var p *PanicError
	if errors.As(err, &p) {
		panic(repeated{p})
	}
	panic(err)
}
