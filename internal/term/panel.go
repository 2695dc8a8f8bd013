package term

import (
	"fmt"
	"math"
	"strings"
)

// Panel draws lines in the place of those of its last call: a picture of what goes
// on that keeps still on the terminal. It may be called as often as one likes: lines
// is asked at most eight times a second, and never where there is no terminal. No
// Phase is open meanwhile. What is Printed goes above it.
func (d *Display) Panel(lines func() []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.tty || d.now().Sub(d.panelDrawn) < redraw {
		return
	}
	d.panelDrawn = d.now()
	room := max(1, d.width()-1)
	text := lines()
	for i, line := range text {
		text[i] = d.plainText(cut(Printable(line), room))
	}
	d.write(d.unpanel() + strings.Join(text, "\n"))
	d.panel = text
}

// EndPanel takes the panel off the terminal.
func (d *Display) EndPanel() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write(d.unpanel())
	d.panel = nil
}

// unpanel moves to where the panel began and clears it.
func (d *Display) unpanel() string {
	switch n := len(d.panel); n {
	case 0:
		return ""
	case 1:
		return "\r\x1b[J"
	default:
		return fmt.Sprintf("\r\x1b[%dA\x1b[J", n-1)
	}
}

// Terminal says whether a Panel is seen.
func (d *Display) Terminal() bool { return d.tty }

// Sparkline draws values as bars of eighths, scaled to the largest; empty where the
// terminal cannot show them.
func (d *Display) Sparkline(values []float64) string {
	if !d.unicode {
		return ""
	}
	largest := 0.0
	for _, v := range values {
		largest = max(largest, v)
	}
	var b strings.Builder
	for _, v := range values {
		step := 0
		if largest > 0 && v > 0 {
			step = min(7, int(v/largest*8))
		}
		b.WriteRune([]rune("▁▂▃▄▅▆▇█")[step])
	}
	return b.String()
}

// Interval draws where low, median and high lie between 0 and most, in some
// columns: "    ├──●─┤  ".
func (d *Display) Interval(low, median, high, most float64, columns int) string {
	at := func(v float64) int {
		if most <= 0 || math.IsNaN(v) {
			return 0
		}
		return min(columns-1, max(0, int(v/most*float64(columns-1)+0.5)))
	}
	line := []rune(strings.Repeat(" ", columns))
	left, dash, right, dot := '├', '─', '┤', '●'
	if !d.unicode {
		left, dash, right, dot = '[', '-', ']', 'o'
	}
	for i := at(low); i <= at(high); i++ {
		line[i] = dash
	}
	line[at(low)], line[at(high)] = left, right
	line[at(median)] = dot
	return string(line)
}
