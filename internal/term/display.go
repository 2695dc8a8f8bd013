// Package term shows how far something is: a writer and a style enter; on a terminal
// one progress line leaves that is redrawn in place, elsewhere (a file, a pipe, a CI
// log) plain lines, few enough to be read.
//
// Rules of the output: a progress line is never wider than the terminal; nothing
// but ASCII where the locale is not UTF-8; colour is never the only carrier of a
// meaning; control characters that come in with a text are dropped. Nothing is ever
// drawn by the clock alone, so there is no goroutine here and nothing to leak.
package term

import (
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	// redraw is the shortest time between two pictures of a terminal's line.
	redraw = time.Second / 8
	// plainEvery is the shortest time between two lines of one phase elsewhere.
	plainEvery = 10 * time.Second

	defaultWidth = 80
)

// Display owns a writer while work is shown on it. Its methods, and those of
// its phases, may be called from several goroutines. Errors of the writer are
// left alone: who closed the stream does not want to see progress.
type Display struct {
	mu      sync.Mutex
	w       io.Writer
	tty     bool
	colour  bool
	silent  bool
	unicode bool
	width   func() int
	now     func() time.Time

	open  []*Phase // the last one is on the terminal's line
	shown bool     // a progress line stands without its end of line

	panel      []string // lines that stand below what was printed
	panelDrawn time.Time
}

// Style says how work is shown. The zero value is for a file: plain lines.
type Style struct {
	// Bars are redrawn in place, as a terminal can.
	Bars bool
	// Colour is used in bars.
	Colour bool
	// Silent leaves out phases and panels; what is Printed stays.
	Silent bool
}

// New shows on w. From the environment come the locale (LC_ALL, LC_CTYPE, LANG) and,
// for a terminal that does not tell its width, COLUMNS; without either it is 80.
func New(w io.Writer, s Style, getenv func(string) string) *Display {
	return &Display{
		w:       w,
		tty:     s.Bars && !s.Silent,
		colour:  s.Colour,
		silent:  s.Silent,
		unicode: isUTF8(getenv),
		width:   func() int { return width(w, getenv) },
		now:     time.Now,
	}
}

// isUTF8 asks the locale's variables in the order in which POSIX lets them win.
func isUTF8(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// width is asked for at every picture, as a window may be resized.
func width(w io.Writer, getenv func(string) string) int {
	if f, ok := w.(interface{ Fd() uintptr }); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	if columns, err := strconv.Atoi(getenv("COLUMNS")); err == nil && columns > 0 {
		return columns
	}
	return defaultWidth
}

// Print writes a line above the progress.
func (d *Display) Print(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line(d.plainText(Printable(line)))
}

// Close ends the display. A progress line that still stands stays as the last
// thing seen of its phase, and what is written next begins on a line of its own.
// Closing twice does nothing.
func (d *Display) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shown || len(d.panel) > 0 {
		d.write("\n")
	}
	d.shown, d.open, d.panel = false, nil, nil
}

// line writes a whole line and puts the progress line back below it.
func (d *Display) line(s string) {
	if len(d.panel) > 0 {
		d.write(d.unpanel() + s + "\n" + strings.Join(d.panel, "\n"))
		return
	}
	if !d.shown {
		d.write(s + "\n")
		return
	}
	d.write("\r\x1b[K" + s + "\n" + d.picture(d.open[len(d.open)-1]))
}

// draw puts the picture of the newest open phase on the terminal's line.
func (d *Display) draw() {
	if !d.tty || len(d.open) == 0 {
		return
	}
	p := d.open[len(d.open)-1]
	p.drawn = d.now()
	d.write("\r" + d.picture(p) + "\x1b[K")
	d.shown = true
}

func (d *Display) write(s string) { _, _ = io.WriteString(d.w, s) }

// Printable makes a text one line and drops the control characters: they would move the cursor under us.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0):
			return -1
		}
		return r
	}, s)
}
