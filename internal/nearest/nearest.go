// Package nearest finds the names that someone who mistyped one may have meant.
//
// What was typed and the names that there are enter; the nearest leave. The distance
// is that of optimal string alignment: how many bytes must be put in, left out, changed
// or swapped with their neighbour.
package nearest

import (
	"cmp"
	"slices"
	"strings"
)

// longest bounds, in bytes, the names that are looked at: a longer one is no name, and
// may come from a hostile cluster or file.
const longest = 249

// Name is the nearest of names, whatever their case; of several the first. It is empty
// when even that one shares less than half of its letters with what was typed.
func Name(typed string, names []string) string {
	return first(near(typed, names, len(typed)/2))
}

// Names are up to three names that are near, the nearest first. They must be nearer than
// for Name: a third of what was typed, and at most 4 bytes, may be different.
func Names(typed string, names []string) []string {
	const most = 3
	found := near(typed, names, max(1, min(len(typed)/3, 4)))
	return found[:min(len(found), most)]
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// near are the names that are no further than limit, the nearest first.
func near(typed string, names []string, limit int) []string {
	if len(typed) > longest {
		return nil
	}
	type candidate struct {
		name     string
		distance int
	}
	var found []candidate
	for _, name := range names {
		if len(name) > longest {
			continue
		}
		if d := Distance(strings.ToLower(typed), strings.ToLower(name), limit); d <= limit {
			found = append(found, candidate{name, d})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	var sorted []string
	for _, f := range found {
		sorted = append(sorted, f.name)
	}
	return sorted
}

// Distance is the distance of a and b, or more than limit if it is more.
func Distance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := above[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, above[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
