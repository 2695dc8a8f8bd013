package client

import (
	"testing"
	"time"
)

func TestCountsThatComeSeldomDoNotHoldForAShortTime(t *testing.T) {
	var w Wire
	if !w.Tells(0) {
		t.Error("counts that are kept at once hold for every time")
	}
	w.Every.Store(int64(time.Second))
	if w.Tells(9*time.Second) || !w.Tells(10*time.Second) {
		t.Error("counts of each second hold from 10 s on")
	}
}
