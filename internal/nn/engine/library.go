package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/declip/declip/internal/files"
)

// LibraryVariable is the environment variable that names the library, or a directory that contains
// it.
const LibraryVariable = "DECLIP_ORT_LIB"

// library is an ONNX Runtime library that was inspected and can be used.
type library struct {
	path      string
	source    string         // how it was found, in words
	version   string         // as the library reports it, "1.30.0"
	providers []string       // its execution providers, by ONNX Runtime's names; best first
	base      unsafe.Pointer // what its OrtGetApiBase returns; nil on Windows
	refused   []string       // files that come earlier in the search and cannot be used, with reasons
}

func libraryVariable() string { return os.Getenv(LibraryVariable) }

// findLibrary returns the first usable library; see Open for the order.
func findLibrary(option string) (library, error) {
	if option != "" || libraryVariable() != "" {
		path, err := explicitPath(option)
		if err != nil {
			return library{}, err
		}
		lib, err := inspect(path)
		if err != nil {
			return library{}, fmt.Errorf("%w: %s cannot be used: %w\n%s", ErrNoLibrary, path, err, waysToGetIt)
		}
		lib.source = "option"
		if option == "" {
			lib.source = LibraryVariable
		}
		return lib, nil
	}
	return search(searchPlaces())
}

// search returns the first library in places that can be used. A file is opened only after
// files.CheckTrusted, because opening a library executes its code.
func search(places []place) (library, error) {
	var passed []string
	for _, place := range places {
		for _, path := range place.libraries() {
			if err := files.CheckTrusted(path, files.CurrentUser()); err != nil {
				passed = append(passed, fmt.Sprintf("%s is refused: %v", path, err))
				continue
			}
			lib, err := inspect(path)
			if err != nil {
				passed = append(passed, fmt.Sprintf("%s cannot be used: %v", path, err))
				continue
			}
			lib.source, lib.refused = place.source, passed
			return lib, nil
		}
	}
	detail := ""
	if len(passed) > 0 {
		detail = "\n" + strings.Join(passed, "\n")
	}
	return library{}, fmt.Errorf("%w%s\n%s", ErrNoLibrary, detail, waysToGetIt)
}

// waysToGetIt is part of the errors about a missing library.
const waysToGetIt = `to get it, do one of these:
  1. run "declip doctor --install", which downloads it into your cache directory
  2. in a checkout of the project run "make setup" (needs npm), which puts it into .cache/onnxruntime
  3. install ONNX Runtime ` + MinVersion + ` or later with your system's packages or Homebrew
  4. unpack a release archive or a Python wheel of onnxruntime and name its library:
     ` + LibraryVariable + `=/path/to/libonnxruntime.so, or the option --ort-lib`

// explicitPath resolves the path given by the option or, failing that, the environment variable.
func explicitPath(option string) (string, error) {
	path, origin := option, "option"
	if path == "" {
		path, origin = libraryVariable(), LibraryVariable
	}
	// An absolute path keeps the loader from using its own search path.
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("library %q (%s): %w", path, origin, err)
	}
	info, err := os.Stat(abs)
	if err != nil {
		return "", fmt.Errorf("%w: %s names %s, which cannot be opened: %w\n%s", ErrNoLibrary, origin, path, err, waysToGetIt)
	}
	if !info.IsDir() {
		return abs, nil
	}
	if found := librariesIn(abs); len(found) > 0 {
		return found[0], nil
	}
	return "", fmt.Errorf("%w: %s names the directory %s, which does not contain %s\n%s", ErrNoLibrary, origin, path, libraryNames()[0], waysToGetIt)
}

// place is a directory to search.
type place struct {
	folder, source string
	flat           bool // search the directory itself only, not lib/ and the like inside it
}

func (p place) libraries() []string {
	if p.flat {
		return librariesAt(p.folder, "")
	}
	return librariesIn(p.folder)
}

func searchPlaces() []place {
	var places []place
	if dir, ok := executableDir(); ok {
		places = append(places,
			place{folder: dir, source: "next to the program", flat: true},
			place{folder: filepath.Join(dir, "..", "lib", "declip"), source: "the program's lib/declip", flat: true})
		if root, ok := checkout(dir); ok {
			places = append(places, place{folder: filepath.Join(root, ".cache", "onnxruntime"), source: "project cache"})
		}
	}
	if folder, err := UserDir(); err == nil {
		places = append(places, place{folder: folder, source: "user cache"})
	}
	for _, folder := range systemFolders() {
		places = append(places, place{folder: folder, source: "system"})
	}
	return places
}

// UserDir returns the directory in the user's cache where "declip doctor --install" puts the
// library: declip/onnxruntime in os.UserCacheDir. It need not exist.
func UserDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("user cache: %w", err)
	}
	return filepath.Join(cache, "declip", "onnxruntime"), nil
}

// executableDir returns the directory of the running program, with symbolic links resolved.
func executableDir() (string, bool) {
	exe, err := os.Executable()
	if err != nil {
		return "", false
	}
	if exe, err = filepath.EvalSymlinks(exe); err != nil {
		return "", false
	}
	return filepath.Dir(exe), true
}

// checkout returns the directory of this project's checkout that a program in dir was built in, if
// the current user owns it: dir itself, or one of the two above it. The current directory and the
// directory of the sources are excluded on purpose: a library planted there must not be loaded.
func checkout(dir string) (string, bool) {
	for range 3 {
		if isModuleRoot(dir) {
			return dir, files.OwnedByUser(dir)
		}
		dir = filepath.Dir(dir)
	}
	return "", false
}

func isModuleRoot(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && strings.HasPrefix(string(text), "module github.com/declip/declip\n")
}

func systemFolders() []string {
	switch runtime.GOOS {
	case "windows":
		var folders []string
		if dir := os.Getenv("ProgramFiles"); dir != "" {
			folders = append(folders, filepath.Join(dir, "onnxruntime", "lib"), filepath.Join(dir, "onnxruntime"))
		}
		return folders
	case "darwin":
		return []string{"/opt/homebrew/lib", "/opt/homebrew/opt/onnxruntime/lib", "/usr/local/lib", "/usr/local/opt/onnxruntime/lib"}
	}
	triple := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	if triple == "" {
		triple = runtime.GOARCH
	}
	triple += "-linux-gnu"
	return []string{
		"/usr/local/lib", "/usr/local/lib/" + triple, "/usr/local/lib64", "/opt/onnxruntime/lib",
		"/usr/lib/" + triple, "/usr/lib64", "/usr/lib", "/home/linuxbrew/.linuxbrew/lib",
	}
}

// libraryNames returns patterns of file names, the most common first.
func libraryNames() []string {
	switch runtime.GOOS {
	case "windows":
		return []string{"onnxruntime.dll"}
	case "darwin":
		return []string{"libonnxruntime.dylib", "libonnxruntime.*.dylib"}
	}
	return []string{"libonnxruntime.so", "libonnxruntime.so.*"}
}

// librariesIn lists library files in a directory: directly, in lib/, in a Python wheel's capi/, and
// where the npm package onnxruntime-node has them.
func librariesIn(folder string) []string {
	system, arch := runtime.GOOS, runtime.GOARCH
	if system == "windows" {
		system = "win32"
	}
	if arch == "amd64" {
		arch = "x64"
	}
	subfolders := []string{
		filepath.Join("node_modules", "onnxruntime-node", "bin", "napi-v*", system, arch),
		"", "lib", "capi",
	}
	var found []string
	for _, sub := range subfolders {
		for _, path := range librariesAt(folder, sub) {
			if !slices.Contains(found, path) {
				found = append(found, path)
			}
		}
	}
	return found
}

// librariesAt lists library files in a directory, newer versions first. sub is a pattern.
func librariesAt(folder, sub string) []string {
	var found []string
	for _, name := range libraryNames() {
		// The pattern is well formed, so there is no error.
		paths, _ := filepath.Glob(filepath.Join(globEscape(folder), sub, name))
		slices.Reverse(paths)
		found = append(found, paths...)
	}
	return found
}

// globEscape escapes a directory's name for filepath.Glob.
func globEscape(folder string) string {
	if runtime.GOOS == "windows" { // there is no escape character; such names are not found
		return folder
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(folder)
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

var errTooOld = errors.New("version is too old")

// checkVersion returns an error for libraries without the C API that the binding requires.
// Requesting it from such a library would make the library print to standard error.
func checkVersion(version string) error {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return fmt.Errorf("reports the version %q, expected something like %s.0", version, MinVersion)
	}
	major, errMajor := strconv.Atoi(parts[0])
	minor, errMinor := strconv.Atoi(parts[1])
	if errMajor != nil || errMinor != nil {
		return fmt.Errorf("reports the version %q, expected something like %s.0", version, MinVersion)
	}
	if major < 1 || major == 1 && minor < 24 {
		return fmt.Errorf("%w: got %s, expected %s or later", errTooOld, version, MinVersion)
	}
	return nil
}
