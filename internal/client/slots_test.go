package client

import "testing"

type slotted struct {
	own  []byte
	sent bool
}

func TestSlotsAreUsedAgain(t *testing.T) {
	slots := NewSlots(3, func(s *slotted, own []byte) { s.own = own })
	seen := make(map[*slotted]bool)
	for range 10_000 {
		s := slots.Take()
		if len(s.own) != 3 || cap(s.own) != 3 || s.sent {
			t.Fatalf("%d bytes, sent %v", len(s.own), s.sent)
		}
		seen[s] = true
		slots.Give(s)
	}
	if len(seen) > slotsAtOnce {
		t.Errorf("%d slots for one record at a time", len(seen))
	}
	under := 0
	for range 1000 {
		slots.Take().sent = true
	}
	for s := range slots.All() {
		if s.sent {
			under++
		}
	}
	if under != 1000 {
		t.Errorf("%d of 1000 slots are found", under)
	}
	s := slots.Take()
	if slots.Back(s); slots.Take() != s {
		t.Error("a slot that was not sent is not the next one")
	}
}

// 256 values of 100 MB at once were more than a machine has.
func TestSlotsOfLargeValuesAreMadeOneByOne(t *testing.T) {
	for _, tt := range []struct{ size, most int }{{0, slotsAtOnce}, {100, slotsAtOnce}, {100_000, 10}, {bytesAtOnce, 1}, {5 * bytesAtOnce, 1}} {
		slots := NewSlots(tt.size, func(s *slotted, own []byte) { s.own = own })
		var out []*slotted
		for range tt.most {
			out = append(out, slots.Take())
		}
		if len(slots.made) != 1 || len(slots.made[0]) != tt.most {
			t.Errorf("%d bytes each: made %d times, want once %d slots", tt.size, len(slots.made), tt.most)
		}
		for _, s := range out {
			slots.Give(s)
		}
		if slots.Take(); len(slots.made) != 1 {
			t.Errorf("%d bytes each: %d slots that came back were not used again", tt.size, tt.most)
		}
	}
}

func TestRoomIsLeftFreeForASenderThatWaits(t *testing.T) {
	for _, tt := range []struct {
		room                          Room
		records, bytes, size, eighths int64
		want                          bool
	}{
		{Room{100, 0}, 99, 1 << 40, 1 << 40, 0, true},
		{Room{100, 0}, 100, 0, 0, 0, false},
		{Room{100, 0}, 87, 0, 0, 1, true},
		{Room{100, 0}, 88, 0, 0, 1, false},
		{Room{100, 1000}, 1, 990, 10, 0, true},
		{Room{100, 1000}, 1, 990, 11, 0, false},
		{Room{100, 1000}, 1, 865, 10, 1, true},
		{Room{100, 1000}, 1, 866, 10, 1, false},
		{Room{100, 1000}, 0, 0, 1001, 1, true}, // what would never fit
		{Room{100, 1000}, 1, 0, 0, 8, false},
		{Room{1, 0}, 0, 0, 1, 8, true},
	} {
		if got := tt.room.Fits(tt.records, tt.bytes, tt.size, tt.eighths); got != tt.want {
			t.Errorf("%+v", tt)
		}
	}
}
