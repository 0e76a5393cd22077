package train

import (
	"fmt"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/train/features"
)

// openFeatures prepares the features of frozen backbones for a network that takes them. Validation
// always reads them through the cache; steps do so unless every picture is augmented afresh.
func (t *trainer) openFeatures() (err error) {
	needed := t.network.Uses()
	if t.network.Spec().LoRA != nil && t.config.Cache.Dir != "" {
		t.notice("with adapters (--lora) the backbone's features change in every step, so they are not cached: the backbone runs in every step")
	}
	if needed == nil {
		return nil
	}
	if t.config.Features != nil {
		t.features, t.stepFeatures = t.config.Features, t.config.Features
		return nil
	}
	c := t.config.Cache
	uses := needed
	if t.openCache(); t.cache != nil {
		uses = features.WithLayers(needed, c.Layers)
	}
	load := func() (features.Source, error) { return features.NewPasses(t.engine, uses) }
	t.backbones = &features.PerPicture{Load: load, Half: c.Half}
	t.features, t.stepFeatures = t.backbones, t.backbones
	if t.cache == nil {
		return nil
	}
	if t.features, err = features.NewCached(t.cache, t.backbones, uses, len(needed), t.engine.Info(), c.Half); err != nil {
		return err
	}
	if m, ok := t.config.maker(t.config.Spec).(dataset.Resize); ok && len(m.Augment) > 0 && c.Draws == 0 {
		t.notice("every picture is augmented differently each time, so its features are not cached; --cache-draws reuses a few of each")
		return nil
	}
	t.stepFeatures = t.features
	return nil
}

// openCache opens the feature cache. If that fails, training continues without a cache.
func (t *trainer) openCache() {
	if t.config.Cache.Dir == "" {
		return
	}
	o := features.DefaultOptions(t.config.Cache.Dir)
	o.Size = t.config.Cache.Size
	o.Warn = func(err error) { t.notice("%v", err) }
	cache, err := features.Open(o)
	if err != nil {
		t.notice("%v; continuing without it", err)
		return
	}
	t.cache = cache
}

// notice passes a message to Hooks.Notice.
func (t *trainer) notice(format string, args ...any) {
	if t.config.Hooks.Notice != nil {
		t.config.Hooks.Notice(fmt.Sprintf(format, args...))
	}
}
