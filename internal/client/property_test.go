package client

import "testing"

func TestWhatTheWorkloadSetsIsRefused(t *testing.T) {
	for key := range reserved {
		if CheckReserved(key) == nil {
			t.Errorf("%s is let through", key)
		}
	}
	if err := CheckReserved("acks"); err != nil {
		t.Error(err)
	}
}
