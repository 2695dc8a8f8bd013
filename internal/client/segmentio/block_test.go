package segmentio

import "testing"

// Values of a block do not share bytes, and large ones are made when they are used: 256 of
// 100 MB were more than a machine has.
func TestEachSlotHasBytesOfItsOwn(t *testing.T) {
	for _, size := range []int{0, 1, 100, bytesAtOnce / slotsAtOnce, bytesAtOnce/slotsAtOnce + 1} {
		b := newBlock(size)
		for at := range slotsAtOnce {
			own := b.own(at, size)
			if len(own) != size || cap(own) != size && size > 0 {
				t.Fatalf("%d bytes of %d, want %d", len(own), cap(own), size)
			}
			for i := range own {
				if own[i] != 0 {
					t.Fatalf("slot %d of %d bytes has bytes of another", at, size)
				}
				own[i] = 1
			}
			if again := b.own(at, size); size > 0 && &again[0] != &own[0] {
				t.Errorf("slot %d of %d bytes has others the second time", at, size)
			}
		}
	}
	b := newBlock(100 << 20)
	b.own(7, 100<<20)
	made := 0
	for _, own := range b.large {
		made += len(own)
	}
	if len(b.values) > 0 || made != 100<<20 {
		t.Errorf("%d bytes are made for one value, want its own", len(b.values)+made)
	}
}
