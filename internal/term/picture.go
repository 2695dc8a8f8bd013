package term

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Columns of a progress line:
//
//	Fill     4,000,000 records   ━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 100 %   3.4 M/s
const (
	nameColumns = 9
	whatColumns = 20
	barColumns  = 28
	barLeast    = 8  // a shorter bar says nothing
	tailColumns = 16 // " 100 %   3.4 M/s"
)

// picture is the progress line of p, without its end of line, at most one column
// narrower than the terminal: some wrap as soon as the last column is written.
func (d *Display) picture(p *Phase) string {
	room := max(1, d.width()-1)
	head := pad(pad(p.name, nameColumns-1)+" ", nameColumns) + pad(pad(p.what, whatColumns-3)+"   ", whatColumns)
	tail := " " + pad(p.progress(), 5)
	if p.note != "" {
		tail += "   " + p.note
	}
	// Room for a note is kept free, else the bar shrinks when the first one comes.
	bar := min(barColumns, room-columns(head)-max(columns(tail), tailColumns))
	line := head + strings.TrimSpace(tail)
	switch {
	case p.total > 0 && bar >= barLeast:
		return d.plainText(head) + d.bar(p.done, p.total, bar) + d.plainText(tail)
	case p.total <= 0 && columns(line) <= room:
		return d.plainText(line)
	}
	return d.plainText(p.narrow(room))
}

// narrow is the line without a bar and without columns. What does not fit goes
// in this order: the note, the end of what the phase is about, the name.
func (p *Phase) narrow(room int) string {
	const gap, least = "  ", 4
	done := p.progress()
	what := cut(p.what, room-columns(p.name+gap+gap+done))
	lines := []string{
		p.name + gap + p.what + gap + done + gap + p.note,
		p.name + gap + p.what + gap + done,
		p.name + gap + what + gap + done,
		p.name + gap + done,
	}
	if columns(what) < least {
		lines = slices.Delete(lines, 2, 3)
	}
	for _, line := range lines {
		if columns(line) <= room {
			return strings.TrimSpace(line)
		}
	}
	return cut(strings.TrimSpace(done), room)
}

// progress is "42 %", or the units done when the whole is not known.
func (p *Phase) progress() string {
	if p.total <= 0 {
		return Count(p.done)
	}
	return fmt.Sprintf("%3d %%", percent(p.done, p.total))
}

// percent rounds down, so that 100 means all.
func percent(done, total int64) int64 {
	return int64(share(done, total) * 100)
}

func share(done, total int64) float64 {
	return min(1, max(0, float64(done)/float64(total)))
}

func (d *Display) bar(done, total int64, columns int) string {
	full, rest := "━", "─"
	if !d.unicode {
		full, rest = "=", "-"
	}
	n := int(share(done, total) * float64(columns))
	full, rest = strings.Repeat(full, n), strings.Repeat(rest, columns-n)
	if d.colour {
		const cyan, dim, normal = "\x1b[36m", "\x1b[2m", "\x1b[0m"
		return cyan + full + normal + dim + rest + normal
	}
	return full + rest
}

// start and state are the lines of a phase where there is no terminal.
func (p *Phase) start() string {
	if p.what == "" {
		return p.name
	}
	return p.name + ": " + p.what
}

func (p *Phase) state() string {
	line := p.name + ": " + strings.TrimLeft(p.progress(), " ")
	if p.told {
		line = p.start()
	}
	if p.note != "" {
		line += ", " + p.note
	}
	return line
}

// plainText replaces what a terminal without UTF-8 cannot show.
func (d *Display) plainText(s string) string {
	if d.unicode {
		return s
	}
	s = strings.NewReplacer("µ", "u", "…", ".", "–", "-", "·", "-").Replace(s)
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return '?'
		}
		return r
	}, s)
}

func columns(s string) int { return utf8.RuneCountInString(s) }

func pad(s string, to int) string {
	return s + strings.Repeat(" ", max(0, to-columns(s)))
}

// cut shortens s to some columns, the last of them saying that it was cut.
func cut(s string, to int) string {
	if columns(s) <= to {
		return s
	}
	if to <= 0 {
		return ""
	}
	return string([]rune(s)[:to-1]) + "…"
}
