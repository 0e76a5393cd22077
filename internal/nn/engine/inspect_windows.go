package engine

// inspect takes the file as it is: version and providers can only be asked through the binding, which opens
// the library itself. What the Windows packages are built with is assumed, and checked when a session asks.
func inspect(path string) (library, error) {
	return library{path: path, providers: []string{"DmlExecutionProvider", cpuProvider}}, nil
}
