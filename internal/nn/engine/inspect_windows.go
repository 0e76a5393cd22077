package engine

// inspect accepts the file without opening it: version and providers can only be read through the
// binding, which opens the library itself. It assumes the providers of the usual Windows packages;
// creating a session checks them.
func inspect(path string) (library, error) {
	return library{path: path, providers: []string{"DmlExecutionProvider", cpuProvider}}, nil
}
