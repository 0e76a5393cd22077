package dataset

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// entry is a line of a list.
type entry struct {
	Image    string `json:"image"`
	Mask     string `json:"mask"`
	Label    any    `json:"label"`
	Method   string `json:"method"`
	Split    string `json:"split"`
	Set      string `json:"set"`
	Polarity string `json:"polarity"`
}

// columns of a CSV list.
var columns = []string{"image", "mask", "label", "method", "split", "set", "polarity"}

// readList reads a list of pictures, one per line: CSV (also with tabs or semicolons) whose first
// line has the column names, JSON objects, or an array of pairs (see readPairs). The text is UTF-8
// or UTF-16, with any line ends. notices name the columns or keys that are not used.
//
// Columns or keys are image, mask, label (0, untouched, real, pristine, authentic; 1, manipulated,
// fake, forged), method, split, set and polarity (white, black). Paths are relative to the list's
// directory. A JSON object without an image sets the defaults of the lines after it. A picture
// without a mask needs a label.
func readList(path string) (items []item, notices []string, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("data set: %w", err)
	}
	return parseList(path, plainText(raw), false)
}

// parseList reads the text of a list. byPosition is for the ManiDatasets that a balanced list
// names.
func parseList(path string, text []byte, byPosition bool) (items []item, notices []string, err error) {
	if entries := balanced(text); entries != nil {
		return readBalanced(filepath.Dir(path), entries, byPosition)
	}
	read := readCSV
	switch first := bytes.TrimSpace(text); {
	case len(first) == 0:
		return nil, nil, fmt.Errorf("data set %s: %w", path, ErrEmpty)
	case first[0] == '[':
		read = readPairs
	case first[0] == '{':
		read = readJSONL
	case slices.Contains([]string{".jsonl", ".ndjson", ".json"}, strings.ToLower(filepath.Ext(path))):
		return nil, nil, fmt.Errorf("data set %s: expected a JSON object on each line, or an array of pairs", path)
	}
	unused, err := read(text, func(line int, e entry) error {
		it, err := e.item(filepath.Dir(path))
		if err != nil {
			return fmt.Errorf("%s:%d: %w", path, line, err)
		}
		items = append(items, it)
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("data set %w", withPath(path, err))
	}
	if len(items) == 0 {
		return nil, nil, fmt.Errorf("data set %s: %w", path, ErrEmpty)
	}
	if len(unused) > 0 {
		notices = append(notices, fmt.Sprintf("%s: not used: %s (known are %s)", path, quoted(unused), strings.Join(columns, ", ")))
	}
	return items, notices, nil
}

// quoted lists names in quotation marks.
func quoted(names []string) string {
	var list []string
	for _, name := range names {
		list = append(list, strconv.Quote(name))
	}
	return strings.Join(list, ", ")
}

// unknownNames gives the names of unknown columns. A name that is probably a misspelt column is an
// error, because the column's values would be missing without a word.
func unknownNames(names []string) (unknown []string, err error) {
	for _, name := range names {
		if slices.Contains(columns, name) {
			continue
		}
		unknown = append(unknown, name)
		bare := strings.Trim(strings.NewReplacer("path", "", "file", "", "name", "").Replace(name), "_- ")
		bare = strings.TrimSuffix(bare, "s")
		if slices.Contains(columns, bare) && !slices.Contains(names, bare) {
			return nil, fmt.Errorf("column %q is unknown: did you mean %q? Columns are %s", name, bare, strings.Join(columns, ", "))
		}
	}
	return unknown, nil
}

// withPath puts the path before an error that does not name it.
func withPath(path string, err error) error {
	if strings.HasPrefix(err.Error(), path+":") {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// readCSV passes each row with its line number to take, and gives the columns that are not used.
func readCSV(text []byte, take func(line int, e entry) error) (unused []string, err error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.TrimLeadingSpace = true
	first, _, _ := bytes.Cut(text, []byte("\n"))
	for _, mark := range []rune{'\t', ';'} {
		if !bytes.ContainsRune(first, ',') && bytes.ContainsRune(first, mark) {
			r.Comma = mark
		}
	}
	head, err := r.Read()
	if err != nil {
		return nil, err
	}
	for i, name := range head {
		head[i] = strings.ToLower(strings.TrimSpace(name))
	}
	if unused, err = unknownNames(head); err != nil {
		return nil, err
	}
	if !slices.Contains(head, "image") {
		return nil, fmt.Errorf("first line is %q: expected column names, %q and any of %s", head, "image", strings.Join(columns[1:], ", "))
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return unused, nil
		}
		if err != nil {
			return nil, err
		}
		var e entry
		for i, name := range head {
			e.set(name, strings.TrimSpace(row[i]))
		}
		line, _ := r.FieldPos(0)
		if err := take(line, e); err != nil {
			return nil, err
		}
	}
}

// set stores the value of a column; other columns are ignored.
func (e *entry) set(column, value string) {
	switch column {
	case "image":
		e.Image = value
	case "mask":
		e.Mask = value
	case "label":
		e.Label = value
	case "method":
		e.Method = value
	case "split":
		e.Split = value
	case "set":
		e.Set = value
	case "polarity":
		e.Polarity = value
	}
}

// readJSONL passes each picture with its line number to take, and gives the keys that are not used.
func readJSONL(text []byte, take func(line int, e entry) error) (unused []string, err error) {
	var defaults entry
	for i, line := range bytes.Split(text, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		e := defaults
		var keys map[string]json.RawMessage
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if err := json.Unmarshal(line, &keys); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		var names []string
		for key := range keys {
			names = append(names, strings.ToLower(key))
		}
		slices.Sort(names)
		unknown, err := unknownNames(names)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		for _, name := range unknown {
			if !slices.Contains(unused, name) {
				unused = append(unused, name)
			}
		}
		if e.Image == "" {
			defaults = e
			continue
		}
		if err := take(i+1, e); err != nil {
			return nil, err
		}
	}
	return unused, nil
}

// labels by their spellings.
var labels = map[string]Label{
	"":  Unlabelled,
	"0": Untouched, "untouched": Untouched, "real": Untouched, "pristine": Untouched, "authentic": Untouched, "false": Untouched,
	"1": Manipulated, "manipulated": Manipulated, "fake": Manipulated, "forged": Manipulated, "true": Manipulated,
}

// item checks a line of a list that is in dir.
func (e entry) item(dir string) (item, error) {
	if e.Image == "" {
		return item{}, errors.New("no image")
	}
	text := ""
	if e.Label != nil {
		text = strings.ToLower(strings.TrimSpace(fmt.Sprint(e.Label)))
	}
	if text == "nan" { // as pandas writes a gap
		text = ""
	} else if n, err := strconv.ParseFloat(text, 64); err == nil { // such as 1.0
		text = strconv.FormatFloat(n, 'g', -1, 64)
	}
	label, ok := labels[text]
	if !ok {
		return item{}, fmt.Errorf("label %q: expected 0 or untouched, 1 or manipulated", text)
	}
	polarity, err := ParsePolarity(e.Polarity)
	if err != nil {
		return item{}, err
	}
	image := within(dir, e.Image)
	it := item{name: filepath.Base(image), Item: Item{
		Image: image, Split: splitOf(e.Split), Set: e.Set, Method: e.Method, Label: label, Inverted: polarity == Black,
	}}
	if e.Mask != "" {
		it.Mask = within(dir, e.Mask)
	} else if label == Unlabelled {
		return item{}, fmt.Errorf("%s has neither a mask nor a label", e.Image)
	}
	switch {
	case !exists(it.Image):
		it.problem = it.Image + " does not exist"
	case it.Mask != "" && !exists(it.Mask):
		it.problem = fmt.Sprintf("the mask %s of %s does not exist", it.Mask, it.Image)
	}
	return it, nil
}

// within resolves a relative path from dir. A path that does not exist may have been written on
// Windows.
func within(dir, path string) string {
	resolve := func(path string) string {
		if path = filepath.FromSlash(path); filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	full := resolve(path)
	if strings.Contains(path, `\`) && !exists(full) {
		if other := resolve(strings.ReplaceAll(path, `\`, "/")); exists(other) {
			return other
		}
	}
	return full
}

// readManifest gives the methods by the pictures' stems; none without a manifest, which is
// optional.
func readManifest(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	methods := map[string]string{}
	reader := bufio.NewReader(file)
	for line := 1; ; line++ {
		text, err := reader.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(bytes.TrimSpace(text)) > 0 {
			var entry struct{ Name, Image, Method string }
			if e := json.Unmarshal(text, &entry); e != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, line, e)
			}
			base := entry.Name
			if base == "" {
				base = entry.Image
			}
			if base = filepath.Base(filepath.ToSlash(base)); isPicture(base) {
				base = stemOf(base)
			}
			methods[base] = entry.Method
		}
		if err == io.EOF {
			return methods, nil
		}
	}
}
