package components

// Connectivity says which cells of a map touch, and so what a component is.
type Connectivity int

const (
	// Sides joins a cell with its 4 neighbours above, below, left and right.
	Sides Connectivity = iota
	// Corners joins a cell with its 8 neighbours, diagonal ones included.
	Corners
)

// Run is a run of cells [From, To) of one row, with what is known of them.
type Run[S any] struct {
	From, To int
	Stats    S
	part     int // of the labeller: index of the part that the run belongs to
}

// Labeller joins the runs of a map's rows to components. Its memory grows with the width of the
// map, not with the height.
type Labeller[S any] struct {
	connectivity Connectivity
	join         func(into *S, from S)
	done         func(S)
	above, here  []Run[S]
	parts, next  []part[S]
}

// part is a component that may still grow.
type part[S any] struct {
	stats   S
	parent  int // union-find: its own index if it represents its set
	renamed int // its index after this row, -1 if it is complete
}

// NewLabeller makes a labeller. join adds what is known of a part to another one's; done receives
// each component once no later row can touch it.
func NewLabeller[S any](c Connectivity, join func(into *S, from S), done func(S)) *Labeller[S] {
	return &Labeller[S]{connectivity: c, join: join, done: done}
}

// Add adds a run to the current row. Runs of a row are added from left to right and do not touch.
func (l *Labeller[S]) Add(from, to int, stats S) {
	l.here = append(l.here, Run[S]{from, to, stats, len(l.parts)})
	l.parts = append(l.parts, part[S]{stats: stats, parent: len(l.parts)})
}

// EndRow ends the current row. A row without runs completes all components.
func (l *Labeller[S]) EndRow() {
	l.joinAbove()
	l.settle()
}

// joinAbove unites runs with those of the row above that they touch.
func (l *Labeller[S]) joinAbove() {
	reach := 0
	if l.connectivity == Corners {
		reach = 1
	}
	i := 0
	for _, h := range l.here {
		for i < len(l.above) && l.above[i].To+reach <= h.From {
			i++
		}
		for j := i; j < len(l.above) && l.above[j].From < h.To+reach; j++ {
			l.unite(l.above[j].part, h.part)
		}
	}
}

func (l *Labeller[S]) root(i int) int {
	for l.parts[i].parent != i {
		l.parts[i].parent = l.parts[l.parts[i].parent].parent
		i = l.parts[i].parent
	}
	return i
}

func (l *Labeller[S]) unite(i, j int) {
	i, j = l.root(i), l.root(j)
	if i == j {
		return
	}
	l.parts[j].parent = i
	l.join(&l.parts[i].stats, l.parts[j].stats)
}

// settle keeps the parts that this row touches, renumbered, and reports the others as done.
func (l *Labeller[S]) settle() {
	for i := range l.parts {
		l.parts[i].renamed = -1
	}
	l.next = l.next[:0]
	for i := range l.here {
		r := l.root(l.here[i].part)
		if l.parts[r].renamed < 0 {
			l.parts[r].renamed = len(l.next)
			l.next = append(l.next, l.parts[r])
			l.next[len(l.next)-1].parent = len(l.next) - 1
		}
		l.here[i].part = l.parts[r].renamed
	}
	for i := range l.parts {
		if p := &l.parts[i]; p.parent == i && p.renamed < 0 {
			l.done(p.stats)
		}
	}
	l.parts, l.next = l.next, l.parts
	l.above, l.here = l.here, l.above[:0]
}
