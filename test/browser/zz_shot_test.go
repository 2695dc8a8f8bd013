package browser_test

import (
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestZZShots(t *testing.T) {
	browser := start(t)
	for name, file := range pages(t) {
		if only := os.Getenv("ONLY"); only != "" && only != name {
			continue
		}
		for _, l := range looks {
			v := open(t, browser, file, l)
			ask[bool](t, v, `new Promise(d => setTimeout(() => d(true), 100))`)
			if os.Getenv("UNFOLD") != "" {
				ask[bool](t, v, unfold)
			}
			png, err := chromedp.Run(v.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(err)
			}
			os.WriteFile("/tmp/h/shots/"+name+"-"+l.String()+".png", png, 0o644)
			if l == looks[2] {
				pdf, err := chromedp.Run(v.ctx, chromedp.PrintToPDF())
				if err != nil {
					t.Fatal(err)
				}
				os.WriteFile("/tmp/h/shots/"+name+".pdf", pdf, 0o644)
			}
			v.close()
		}
	}
}
