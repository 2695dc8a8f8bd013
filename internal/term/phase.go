package term

import (
	"slices"
	"time"
)

// Phase is a piece of work with a beginning and an end.
type Phase struct {
	d           *Display
	name, what  string
	done, total int64
	note        string
	told        bool      // what tells how far it is, so a percentage need not
	drawn       time.Time // when a picture or line of it was last written
}

// Phase begins a piece of work: its name ("Fill"), what it is about ("4,000,000
// records"), and how many units make it whole; 0 when that is not known, then done
// units are shown without a bar. While several phases are open the newest one is
// on the terminal's line.
func (d *Display) Phase(name, what string, total int64) *Phase {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := &Phase{d: d, name: Printable(name), what: Printable(what), total: total, drawn: d.now()}
	d.open = append(d.open, p)
	switch {
	case d.tty:
		d.draw()
	case !d.silent:
		d.line(d.plainText(p.start()))
	}
	return p
}

// Set says how many units are done, with a note such as "3.4 M/s". It may be
// called as often as one likes: at most eight pictures a second are drawn, and
// without a terminal one line in ten seconds is written.
func (p *Phase) Set(done int64, note string) { p.change("", done, note) }

// SetWhat is Set with a new text for what the phase is about that tells how far
// it is, such as "3 of 8"; lines without a terminal then have that, not a percentage.
func (p *Phase) SetWhat(what string, done int64, note string) {
	p.change(Printable(what), done, note)
}

func (p *Phase) change(what string, done int64, note string) {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	at := slices.Index(d.open, p)
	if at < 0 {
		return // it has ended
	}
	if what != "" {
		p.what, p.told = what, true
	}
	p.done, p.note = done, Printable(note)
	since := d.now().Sub(p.drawn)
	switch {
	case d.tty && at == len(d.open)-1 && since >= redraw:
		d.draw()
	case !d.tty && !d.silent && since >= plainEvery:
		p.drawn = d.now()
		d.line(d.plainText(p.state()))
	}
}

// End closes the phase with a last note and leaves its line standing, with the
// units that were done: a phase that was cut short does not show 100 %. Ending
// twice does nothing.
func (p *Phase) End(note string) {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	at := slices.Index(d.open, p)
	if at < 0 {
		return
	}
	p.note = Printable(note)
	d.open = slices.Delete(d.open, at, at+1)
	if d.silent {
		return
	}
	if !d.tty {
		d.line(d.plainText(p.state()))
		return
	}
	d.write("\r" + d.picture(p) + "\x1b[K\n")
	d.shown = false
	d.draw()
}
