package train

import (
	"encoding/json"
	"reflect"
	"testing"
)

// storedOptions are the options in a checkpoint of the version before Config was divided into
// groups, every one of them set.
const storedOptions = `{"spec":{"arch":"xceptionnet-lite","layer":"layer1","decoder":"pyramid","mode":"tiles","input":1,
"output":2,"stride":4,"tile":768,"overlap":64,"widths":[4,4,8,8],"context":8,"pyramid":4,"dilations":[1,2],"pool":"max",
"dct":4,"frozen":true,"frozen_trunk":true,"copies":true,"double_jpeg":true,"blobs":true,"residual":true},
"data":"a","valid":"b","valid_limit":3,"best_by":"iou","supervision":"localization","epochs":4,"epoch_pictures":5,
"batch_size":6,"draws":7,"crop_size":64,"inside":0.7,"augment":{"kind":"blur","turn":true,"tone":0.1,"jpeg":0.2,
"jpeg_low":60,"jpeg_high":90,"noise":0.3},"optimizer":"adamw","lr":0.002,"weight_decay":0.1,"clip":8,
"schedule":"cosine","warmup":9,"average":0.99,"loss":{"positive":2,"dice":0.5},"cache":{"half":true,"draws":2},
"seed":5,"device":"cpu","threads":2,"max_time":10,"backbone_files":["c"],"fine_tune":true,"backbone":"d","thaw":true,
"thaw_context":true,"init":"e","skip_bad":true}`

// Checkpoints and the names of studies' runs depend on the JSON form of the options: it has the
// same keys in every version.
func TestOptionsKeepTheirJSON(t *testing.T) {
	var c Config
	if err := json.Unmarshal([]byte(storedOptions), &c); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var stored, now map[string]any
	for text, to := range map[string]*map[string]any{storedOptions: &stored, string(text): &now} {
		if err := json.Unmarshal([]byte(text), to); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(stored, now) {
		t.Errorf("the options became %s", text)
	}
	if err := sameOptions(storedOptions, c); err != nil {
		t.Error(err)
	}
	c.LR, c.Epochs = 0.003, 40
	if err := sameOptions(storedOptions, c); err == nil {
		t.Error("another learning rate counts as the same options")
	}
}
