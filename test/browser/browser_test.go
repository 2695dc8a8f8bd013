// Package browser_test opens redline's pages in a real Chromium: what they show,
// what they ask for, and what text from outside can do in them.
//
// It needs Chromium: therefore it runs only with REDLINE_TEST_BROWSER=1, which
// scripts/test-full.sh sets, and on CI.
package browser_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// start starts a Chromium for one test. When the test ends, no process of it may be
// left, so that its profile goes with the test's folder.
func start(t *testing.T) context.Context {
	t.Helper()
	if os.Getenv("REDLINE_TEST_BROWSER") == "" && os.Getenv("CI") == "" {
		t.Skip("needs Chromium: run scripts/test-full.sh, or set REDLINE_TEST_BROWSER=1")
	}
	profile := t.TempDir()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.UserDataDir(profile), chromedp.DisableGPU)
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // root has none
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	allocator, end := chromedp.NewExecAllocator(ctx, options...)
	browser, stop := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(browser); err != nil {
			t.Errorf("Chromium did not close: %v", err)
		}
		stop()
		end()
		cancel()
		gone(t, profile)
	})
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("Chromium did not start: %v. Install it: apt-get install -y --no-install-recommends chromium", err)
	}
	return browser
}

// gone waits until no process has the profile.
func gone(t *testing.T, profile string) {
	t.Helper()
	var left []string
	for range 100 {
		if left = processes(t, profile); len(left) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("Chromium left the processes %v", left)
}

// processes are those that have the profile in their command line.
func processes(t *testing.T, profile string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		if line, err := os.ReadFile(file); err == nil && bytes.Contains(line, []byte(profile)) {
			found = append(found, filepath.Base(filepath.Dir(file)))
		}
	}
	return found
}

// look is how a page is looked at.
type look struct {
	width  int64
	scheme string
}

func (l look) String() string { return fmt.Sprintf("%d-%s", l.width, l.scheme) }

// looks are those of a phone and of a desk, by day and by night.
var looks = []look{{390, "light"}, {390, "dark"}, {1440, "light"}, {1440, "dark"}}

// view is a page that was opened, and what a page must not do: write to the
// console, violate its policy, ask the network, open a dialog.
type view struct {
	ctx   context.Context
	close func()

	mu   sync.Mutex
	seen []string
}

// open opens a file in a tab of its own and waits until it has loaded.
func open(t *testing.T, browser context.Context, file string, l look) *view {
	t.Helper()
	v := &view{}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithListener(v.watch))
	t.Cleanup(cancel)
	v.ctx, v.close = ctx, cancel
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(l.width, 900), chromedp.Navigate("file://"+file)); err != nil {
		t.Fatal(err)
	}
	return v
}

// watch runs in the loop that reads Chromium's messages.
func (v *view) watch(event any) {
	var what string
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		what = fmt.Sprintf("console: %s", e.Type)
	case *runtime.EventExceptionThrown:
		what = "exception: " + e.ExceptionDetails.Text
	case *log.EventEntryAdded:
		what = fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		what = "dialog: " + e.Message
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; e.Type != network.ResourceTypeDocument && url != "data:," {
			what = "request: " + url
		}
	}
	if what != "" {
		v.mu.Lock()
		v.seen = append(v.seen, what)
		v.mu.Unlock()
	}
}

func (v *view) misdeeds() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return strings.Join(v.seen, "\n")
}

// ask evaluates an expression in the page; a promise is waited for.
func ask[T any](t *testing.T, v *view, expression string) T {
	t.Helper()
	answer, err := chromedp.Run(v.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return answer
}
