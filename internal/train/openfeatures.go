package train

import (
	"fmt"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/train/features"
)

// CacheConfig says where and how features of frozen backbones are kept.
type CacheConfig struct {
	Dir  string `json:"-"` // folder; "" = features are computed each time
	Size int64  `json:"-"` // see features.Options
	// Layers are kept, too, of each backbone that is run, because one pass gives all: for trainings to come.
	Layers []string `json:"-"`
	// Half rounds features to half precision, and halves what they take on the disk. They are rounded whether there is
	// a cache or not, so that what is trained does not depend on that.
	Half bool `json:"half"`
	// Draws is how many augmentations of each picture are made and used in turn, so that their features can be kept;
	// 0 = a new one each time, whose features are not kept.
	Draws int `json:"draws"`
}

// openFeatures makes what gives a head the features of frozen backbones: to validation always through the cache, to
// steps unless every picture is varied anew each time.
func (t *trainer) openFeatures() (err error) {
	head, ok := t.model.(Head)
	if !ok {
		return nil
	}
	if t.config.Features != nil {
		t.features, t.stepFeatures = t.config.Features, t.config.Features
		return nil
	}
	c := t.config.Cache
	needed := head.Uses()
	uses := needed
	if t.openCache(); t.cache != nil {
		uses = rememberedUses(needed, c.Layers)
	}
	t.backbones = &alone{half: c.Half, load: func() (Features, error) { return NewPasses(t.engine, uses) }}
	t.features, t.stepFeatures = t.backbones, t.backbones
	if t.cache == nil {
		return nil
	}
	if t.features, err = remember(t.cache, t.backbones, uses, len(needed), t.engine.Info(), c.Half); err != nil {
		return err
	}
	if m, ok := t.config.maker(t.config.Spec).(dataset.Resize); ok && len(m.Augment) > 0 && c.Draws == 0 {
		t.notice("every picture is varied anew each time, so its features are not kept; --cache-draws keeps some of each")
		return nil
	}
	t.stepFeatures = t.features
	return nil
}

// openCache opens the feature cache. Training does without one that cannot be had.
func (t *trainer) openCache() {
	if t.config.Cache.Dir == "" {
		return
	}
	cache, err := features.Open(features.Options{Dir: t.config.Cache.Dir, Size: t.config.Cache.Size,
		Warn: func(err error) { t.notice("%v", err) }})
	if err != nil {
		t.notice("%v; going on without", err)
		return
	}
	t.cache = cache
}

// notice tells the user something that is no error.
func (t *trainer) notice(format string, args ...any) {
	if t.config.Hooks.Notice != nil {
		t.config.Hooks.Notice(fmt.Sprintf(format, args...))
	}
}
