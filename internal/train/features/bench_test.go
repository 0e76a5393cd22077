package features

import "testing"

// Features of ViT-L/14 at one layer, [256, 1024].
func BenchmarkGet(b *testing.B) {
	for _, half := range []bool{false, true} {
		b.Run(map[bool]string{false: "fp32", true: "fp16"}[half], func(b *testing.B) {
			c := open(b, Options{Dir: b.TempDir()})
			v := values(1, 256*1024)
			c.Put(key(1), v, half)
			b.SetBytes(int64(4 * len(v)))
			for b.Loop() {
				if !c.Get(key(1), v) {
					b.Fatal("not there")
				}
			}
		})
	}
}

func BenchmarkPicture(b *testing.B) {
	v := values(1, 3*224*224)
	for b.Loop() {
		HashPicture(v)
	}
}
