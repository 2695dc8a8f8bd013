package ladder

import (
	"context"
	"testing"
	"time"
)

func BenchmarkTmp(b *testing.B) {
	for i := range 60 {
		v := variant{produce, []string{"resend", "all"}[i%2], 2}
		s := v.spec(b, "127.0.0.1:19392", "ladder")
		c, err := Start(context.Background(), s)
		if err != nil {
			b.Fatal(i, err)
		}
		time.Sleep(20 * time.Millisecond)
		if err := c.Stop(context.Background()); err != nil {
			b.Fatal(i, err)
		}
	}
}
