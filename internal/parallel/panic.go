package parallel

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// PanicError is a panic as an error.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // of the goroutine that panicked, where it did
}

// Error says that the program is at fault, not its input.
func (e *PanicError) Error() string {
	return fmt.Sprintf("internal error, please report it: %v", e.Value)
}

// Unwrap gives the value where it is an error, such as runtime.Error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Stack is the stack of the panic that err reports; nil where err reports none.
func Stack(err error) []byte {
	var p *PanicError
	if errors.As(err, &p) {
		return p.Stack
	}
	return nil
}

// Catch runs f and returns a panic of it as a *PanicError.
func Catch(f func() error) (err error) {
	defer Recover(&err)
	return f()
}

// Recover is for defer: it stores a panic in err as a *PanicError.
func Recover(err *error) {
	if value := recover(); value != nil {
		*err = toError(value)
	}
}

// toError keeps the stack of a panic that another goroutine has reported already.
func toError(value any) *PanicError {
	if p, ok := value.(*PanicError); ok {
		return p
	}
	return &PanicError{value, debug.Stack()}
}
