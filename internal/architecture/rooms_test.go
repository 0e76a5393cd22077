package architecture

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

// public are the packages next to the root package that other modules import. They are nested in
// its room.
var public = []string{"evaluation"}

// packageName is a directory's name in the table: without "internal/", "declip" for the root
// package, and below it for the other public ones.
func packageName(folder string) string {
	switch {
	case folder == ".":
		return "declip"
	case slices.Contains(public, folder):
		return "declip/" + folder
	}
	return strings.TrimPrefix(folder, "internal/")
}

// roomOf is the room of a package, "" for one in no room of the table.
func roomOf(name string) string {
	for _, r := range rooms {
		if name == r.name || strings.HasPrefix(name, r.name+"/") {
			return r.name
		}
	}
	return ""
}

func find(name string) room {
	i := slices.IndexFunc(rooms, func(r room) bool { return r.name == name })
	return rooms[i]
}

// imported is what a file imports, as names of the table for packages of this module.
func imported(t *testing.T, s source) (ours, others []string) {
	t.Helper()
	for _, spec := range s.tree.Imports {
		to, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case to == module:
			ours = append(ours, "declip")
		case strings.HasPrefix(to, module+"/"):
			ours = append(ours, packageName(strings.TrimPrefix(to, module+"/")))
		default:
			others = append(others, to)
		}
	}
	return ours, others
}

// judge says what is wrong when package from imports package to of this module; "" if nothing is.
func judge(from, to string) string {
	above, below := roomOf(from), roomOf(to)
	switch {
	case slices.Contains(testHelpers, to) && !slices.Contains(testHelpers, from):
		return from + " may not import " + to + ": it is for tests"
	case above == "" || above == below:
		return ""
	case !slices.Contains(find(above).below, below):
		return from + " may not import " + to + ": room " + above + " may import " + strings.Join(find(above).below, ", ")
	case to != below && !slices.Contains(find(below).shared, to):
		return from + " may not import " + to + ": it is not shared outside its room"
	}
	return ""
}

// judgeOutside says what is wrong when package from imports another module's package to; "" if
// nothing is.
func judgeOutside(from, to string) string {
	for outside, users := range reserved {
		if (to == outside || strings.HasPrefix(to, outside+"/")) && !slices.Contains(users, from) {
			return from + " may not import " + to + ", only these may: " + strings.Join(users, ", ")
		}
	}
	return ""
}

func TestImports(t *testing.T) {
	for _, s := range sources(t) {
		from := packageName(s.folder)
		if s.test || !s.house() || from == "architecture" {
			continue
		}
		if roomOf(from) == "" {
			t.Errorf("%s: package %s is in no room of the table", s.file, from)
		}
		ours, others := imported(t, s)
		for _, to := range ours {
			if problem := judge(from, to); problem != "" {
				t.Errorf("%s: %s", s.file, problem)
			}
		}
		for _, to := range others {
			if problem := judgeOutside(from, to); problem != "" {
				t.Errorf("%s: %s", s.file, problem)
			}
		}
	}
}

// A room comes before those it imports, so there is no circle. Each permission is used, and there
// are few.
func TestTable(t *testing.T) {
	const mostRooms, mostEdges = 20, 72
	used := map[[2]string]bool{}
	for _, s := range sources(t) {
		if s.test || !s.house() {
			continue
		}
		ours, _ := imported(t, s)
		for _, to := range ours {
			used[[2]string{roomOf(packageName(s.folder)), roomOf(to)}] = true
		}
	}
	edges := 0
	for i, r := range rooms {
		for _, lower := range r.below {
			edges++
			at := slices.IndexFunc(rooms, func(r room) bool { return r.name == lower })
			if at <= i {
				t.Errorf("%s: %s must come after it in the table", r.name, lower)
			}
			if !used[[2]string{r.name, lower}] {
				t.Errorf("%s may import %s but does not: take it out of the table", r.name, lower)
			}
		}
		for _, name := range r.shared {
			if roomOf(name) != r.name || name == r.name {
				t.Errorf("%s shares %s, which is not in it", r.name, name)
			}
		}
	}
	if len(rooms) > mostRooms || edges > mostEdges {
		t.Errorf("%d rooms and %d imports between them, expected at most %d and %d", len(rooms), edges, mostRooms, mostEdges)
	}
	t.Logf("%d rooms, %d imports between them", len(rooms), edges)
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"nn/engine", "nn/engine/operators", true},
		{"localize", "nn/engine", true},
		{"localize", "nn/engine/operators", false},
		{"localize", "localize/tile", true},
		{"evaluate", "localize/tile", false},
		{"nn/graph", "localize", false},
		{"serve", "declip", false},
		{"nn/graph", "nn/engine/enginetest", false},
		{"picture/jpeg", "files", true},
	} {
		if problem := judge(c.from, c.to); (problem == "") != c.ok {
			t.Errorf("%s imports %s: got %q, expected allowed %v", c.from, c.to, problem, c.ok)
		}
	}
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"nn/graph", "github.com/yalue/onnxruntime_go", false},
		{"nn/engine", "github.com/yalue/onnxruntime_go", true},
		{"metric", "net/http/httptest", false},
		{"metric", "net/httpx", true},
	} {
		if problem := judgeOutside(c.from, c.to); (problem == "") != c.ok {
			t.Errorf("%s imports %s: got %q, expected allowed %v", c.from, c.to, problem, c.ok)
		}
	}
}
