package cluster

import (
	"cmp"
	"slices"
)

// nearest returns up to three names that someone who typed name may have meant,
// the nearest first.
func nearest(name string, names []string) []string {
	const most = 3
	type candidate struct {
		name     string
		distance int
	}
	allowed := max(1, min(len(name)/3, 4))
	var found []candidate
	for _, n := range names {
		if len(n) > 249 { // no Kafka has it
			continue
		}
		if d := editDistance(name, n, allowed); d <= allowed {
			found = append(found, candidate{n, d})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	var near []string
	for _, f := range found[:min(len(found), most)] {
		near = append(near, f.name)
	}
	return near
}

// editDistance is how many bytes must be put in, left out, changed or swapped
// with their neighbour to come from a to b; more than limit when it is more.
func editDistance(a, b string, limit int) int {
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

func didYouMean(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return " Did you mean " + printable(names[0]) + "?"
	}
	return " Did you mean one of " + listed(names) + "?"
}
