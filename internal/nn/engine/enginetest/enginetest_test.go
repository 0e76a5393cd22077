package enginetest

import "testing"

func TestOpen(t *testing.T) {
	info := Open(t).Info()
	t.Logf("%+v", info)
	if info.Device != "cpu" || info.Version == "" || info.Library == "" || info.Threads < 1 {
		t.Errorf("incomplete: %+v", info)
	}
}
