package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/picture"
)

// dataHelp explains the names of data sets, in the help of the commands that read them.
const dataHelp = `A data set is named by its directory or list. Its layout is detected:

  ` + dataset.LayoutFolder + `      images/ and masks/, as "declip forge" makes; also below train/,
              valid/ and test/, or with these below images/ and masks/
  dolos       fake/SET/images/SPLIT, fake/SET/masks/SPLIT (0 = manipulated),
              real/SPLIT
  autosplice  Forged_JPEG75, _JPEG90, _JPEG100, Mask and Authentic
  mani        Tp and Gt as in IMDLBenCo, or Tp, Au and "... Groundtruth" as CASIA
  columbia    4cam_splc with edgemask, and 4cam_auth
  nist16      the Nimble Challenge 2016, by its index in reference/manipulation
  dso1        DSO-1 and DSO-1-Fake-Images-Masks
  casia       CASIA 1.0 dataset, CASIA 2.0 and their groundtruth directories
  cocoglide   fake, real and mask
  tgif        sd2-sp, sd2-fr, sdxl-fr, ps-sp, orig and masks
  korus       CAMERA/tampered-realistic, ground-truth and pristine
  coverage    image/1t.tif, image/1.tif and mask/1forged.tif
  comofod     001_F.png, 001_O.png and 001_B.png
  imd2020     directories of NAME_orig.jpg, NAME_0.png and NAME_0_mask.png
  list        a CSV file with the columns image and mask and optionally label,
              method, split, set, polarity; or one JSON object of these per line;
              paths are relative to the list
  coco        COCO's JSON: the annotations (polygons or run lengths) are the masks;
              pictures are relative to it, or in --images DIR
  parquet     Parquet files with the columns image and mask, as OpenSDID's
  untouched   a directory of pictures that were not manipulated; name it
              DIR:untouched

After a colon, list what to use: a split, sets, or both, separated by commas, as
in dolos:ldm,test or dolos:ldm,real,test. Untouched pictures of
published data sets are the set "real", which is used only if it is named.`

// dataOptions are the flags that control how data sets are read.
type dataOptions struct {
	layout, split, polarity string
	images                  string // of COCO files
	byPosition              bool   // pairs of ManiDatasets
	sets                    []string
	resizeMasks             bool
	values, channel         string // of masks
	invert, allowEmpty      bool
}

// AddFlags declares the flags with their defaults.
func (o *dataOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.split, "split", "", "split to use of data sets that have splits: train, valid, test or all")
	o.addFlags(f)
}

// addFlags declares all flags but --split.
func (o *dataOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.sets, "set", nil, "use only this `set` of data sets that have several, such as ldm; repeatable")
	f.StringVar(&o.layout, "layout", "", "layout of the data sets: "+strings.Join(dataset.Layouts, ", ")+" (default: detected)")
	oldSpelling(f, "format", "layout")
	f.StringVar(&o.images, "images", "", "`directory` of the pictures that a COCO file names (default: that of the file)")
	f.BoolVar(&o.byPosition, "pair-by-position", false, "pair the files of Tp and Gt in sorted order, as IMDLBenCo does, instead of by name")
	f.StringVar(&o.polarity, "mask-polarity", "", "value of manipulated pixels in masks: white (255) or black (0) (default: black for dolos, otherwise white)")
	f.BoolVar(&o.invert, "invert-masks", false, "the same as --mask-polarity black")
	f.StringVar(&o.values, "mask-values", "", "`values` of masks that mean manipulated, such as 1 or 1,3 or 128-255 or nonzero or #ff0000 (default: recognised, else refused)")
	f.StringVar(&o.channel, "mask-channel", "", "channel of masks that marks: luma, red, green, blue, alpha or index (of a palette) (default: recognised, else refused)")
	f.BoolVar(&o.allowEmpty, "allow-empty-masks", false, "accept data sets all of whose masks are empty")
	f.BoolVar(&o.resizeMasks, "resize-masks", false, "scale masks of another size than their picture by the nearest pixel, instead of refusing them")
}

func (o *dataOptions) check(cmd *cobra.Command) error {
	polarity, err := dataset.ParsePolarity(o.polarity)
	if err != nil {
		return usagef(cmd, "--mask-polarity %q: expected white or black", o.polarity)
	}
	if o.invert && polarity == dataset.White {
		return usagef(cmd, "--invert-masks and --mask-polarity white contradict each other")
	}
	if _, err := dataset.ParseValues(o.values); err != nil {
		return usagef(cmd, "--mask-values: %w", err)
	}
	if _, err := dataset.ParseChannel(o.channel); err != nil {
		return usagef(cmd, "--mask-channel: %w", err)
	}
	return nil
}

// into adds the flags to options for dataset.Open, which passes to notice what was reinterpreted
// or left out.
func (o *dataOptions) into(d dataset.Options, notice func(text string)) dataset.Options {
	d.Layout, d.Split, d.Sets, d.ResizeMasks = o.layout, o.split, o.sets, o.resizeMasks
	d.Images, d.PairByPosition = o.images, o.byPosition
	// The texts were checked before.
	d.Polarity, _ = dataset.ParsePolarity(o.polarity)
	if o.invert {
		d.Polarity = dataset.Black
	}
	d.Masks.Values, _ = dataset.ParseValues(o.values)
	d.Masks.Channel, _ = dataset.ParseChannel(o.channel)
	d.AllowEmpty, d.Notice = o.allowEmpty, notice
	return d
}

// notice prints what was reinterpreted or left out, each text once: a command may open a data set
// several times.
func (a *app) notice(text string) {
	if a.noticed == nil {
		a.noticed = map[string]bool{}
	}
	if !a.noticed[text] {
		a.noticed[text] = true
		a.say("%s\n", text)
	}
}

// openSets opens the named data sets.
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

func addDataFlag(f *pflag.FlagSet, data *[]string) {
	f.StringArrayVar(data, "data", nil, "data `set`: a directory or list, as DIR or DIR:SPLIT; repeatable")
}

func addPristineFlag(f *pflag.FlagSet, dirs *[]string) {
	f.StringArrayVar(dirs, "pristine", nil, "`directory` of untouched pictures, which count as pictures with empty masks; repeatable")
}

func addLimitFlag(f *pflag.FlagSet, limit *int) {
	f.IntVar(limit, "limit", 0, "use at most N pictures of each data set, the same ones every time (default: all)")
}

// methodUntouched names the pictures of --pristine in tables.
const methodUntouched = "untouched"

// openPristine lists the untouched pictures below a directory, as one source.
func openPristine(path string, notice func(text string)) (dataset.Source, error) {
	var paths []string
	inputs, leftOut := collect([]string{path}, "")
	for _, l := range leftOut {
		notice(l.String())
	}
	for _, in := range inputs {
		if in.err != nil {
			return nil, in.err
		}
		paths = append(paths, in.path)
	}
	return dataset.UntouchedFiles(paths, methodUntouched, picture.Limits{}), nil
}

// opened are data sets and directories of untouched pictures, as one source.
type opened struct {
	dataset.Source
	sets      []*dataset.Set
	untouched []dataset.Source // of each --pristine all pictures, without the limit
	pristine  []string         // for each sample its directory of --pristine; "" in data sets
}

// openSources opens the data sets and the untouched pictures, at most limit pictures of each (0:
// all).
func openSources(ctx context.Context, names, pristine []string, limit int, o dataset.Options) (*opened, error) {
	sets, err := openSets(ctx, names, o)
	if err != nil {
		return nil, sayResize(err)
	}
	all := &opened{sets: sets}
	var sources []dataset.Source
	add := func(s dataset.Source, dir string) {
		s = dataset.Some(s, limit)
		sources = append(sources, s)
		all.pristine = append(all.pristine, slices.Repeat([]string{dir}, s.Len())...)
	}
	for _, s := range sets {
		add(s, "")
	}
	for _, dir := range pristine {
		s, err := openPristine(dir, o.Notice)
		if err != nil {
			return nil, err
		}
		all.untouched = append(all.untouched, s)
		add(s, dir)
	}
	all.Source = dataset.Join(sources...)
	return all, nil
}

// sayResize adds what to do about masks of another size and about a missing data set.
func sayResize(err error) error {
	if pair := (*dataset.PairError)(nil); errors.As(err, &pair) {
		return fmt.Errorf("%w (\"declip data check\" lists all errors; --resize-masks scales masks of another size)", err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (\"declip data --help\" explains how data sets are named)", err)
	}
	return err
}
