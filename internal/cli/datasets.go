package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/picture"
)

// dataHelp is how the commands that read data sets explain the names of these.
const dataHelp = `A data set is named by its folder or list, and its layout is recognised:

  folder      images/ and masks/, as "declip forge" makes; also below train/,
              valid/, test/, or with these below images/ and masks/
  dolos       fake/SET/images/SPLIT, fake/SET/masks/SPLIT (0 = manipulated),
              real/SPLIT
  autosplice  Forged_JPEG75, _JPEG90, _JPEG100, Mask and Authentic
  list        a CSV file with the columns image and mask and, as needed, label,
              method, split, set, polarity; or JSON objects of these, one a line;
              paths are relative to the list
  untouched   a folder of pictures that nobody manipulated: name it DIR:untouched

After a colon may follow what to take of it: a split, sets, or all of it, as in
dolos:ldm,test or dolos:ldm,real,test. Untouched pictures of Dolos and AutoSplice
are the set "real", which is only taken when it is named.`

// dataOptions are the flags that say how data sets are read.
type dataOptions struct {
	layout, split, polarity string
	sets                    []string
	resizeMasks             bool
}

// AddFlags declares the flags with their defaults.
func (o *dataOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.split, "split", "", "of data sets with splits: train, valid, test or all")
	o.addFlags(f)
}

// addFlags declares all but the split.
func (o *dataOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.sets, "set", nil, "of data sets with several parts: this one only, as ldm; repeatable")
	f.StringVar(&o.layout, "format", "", "layout of the data sets: "+strings.Join(dataset.Layouts, ", ")+" (default: recognised)")
	f.StringVar(&o.polarity, "mask-polarity", "", "white: masks are 255 where manipulated; black: 0 there (default: black for dolos, else white)")
	f.BoolVar(&o.resizeMasks, "resize-masks", false, "scale masks of another size to the picture's, by the nearest pixel, instead of refusing them")
}

func (o *dataOptions) check(cmd *cobra.Command) error {
	if _, err := dataset.ParsePolarity(o.polarity); err != nil {
		return usagef(cmd, "--mask-polarity: %w", err)
	}
	return nil
}

// into puts the flags into options for dataset.Open.
func (o *dataOptions) into(d dataset.Options) dataset.Options {
	d.Layout, d.Split, d.Sets, d.ResizeMasks = o.layout, o.split, o.sets, o.resizeMasks
	d.Polarity, _ = dataset.ParsePolarity(o.polarity) // checked before
	return d
}

// openSets opens data sets, one after the other.
func openSets(ctx context.Context, names []string, o dataset.Options) ([]*dataset.Set, error) {
	var sets []*dataset.Set
	for _, name := range names {
		s, err := dataset.Open(ctx, name, o)
		if err != nil {
			return nil, err
		}
		sets = append(sets, s)
	}
	return sets, nil
}

// methodUntouched names the pictures of --pristine in tables.
const methodUntouched = "untouched"

// openPristine lists the untouched pictures below a folder, as one source.
func openPristine(path string) (dataset.Source, error) {
	var paths []string
	for _, in := range collect([]string{path}, "") {
		if in.err != nil {
			return nil, in.err
		}
		paths = append(paths, in.path)
	}
	return dataset.UntouchedFiles(paths, methodUntouched, picture.Limits{}), nil
}

// openSources opens data sets and the untouched pictures, at most limit pictures of each (0: all).
func openSources(ctx context.Context, names []string, pristine string, limit int, o dataset.Options) (dataset.Source, []*dataset.Set, error) {
	sets, err := openSets(ctx, names, o)
	if err != nil {
		return nil, nil, sayResize(err)
	}
	var sources []dataset.Source
	for _, s := range sets {
		sources = append(sources, dataset.Some(s, limit))
	}
	if pristine != "" {
		s, err := openPristine(pristine)
		if err != nil {
			return nil, nil, err
		}
		sources = append(sources, dataset.Some(s, limit))
	}
	return dataset.Join(sources...), sets, nil
}

// sayResize adds what helps against masks of another size, and what shows all that is wrong.
func sayResize(err error) error {
	if pair := (*dataset.PairError)(nil); errors.As(err, &pair) {
		return fmt.Errorf("%w (\"declip data check\" lists everything; --resize-masks scales masks of another size)", err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (see \"declip data --help\" for how data sets are named)", err)
	}
	return err
}
