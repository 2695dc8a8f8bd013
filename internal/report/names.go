package report

import (
	"slices"
	"strconv"
	"strings"

	"redline/result"
)

// own is the profile of a client that is a program of the reader's: there is no other.
const own = result.Own

// names tell the rows of a table apart: by the values of what varies, which head names
// where that is little, or else by their labels.
func names(p result.Plan, rows []row) (head string, cells []string) {
	head, of := naming(p, rows)
	for _, r := range rows {
		cells = append(cells, of(r))
	}
	return head, cells
}

func naming(p result.Plan, rows []row) (head string, of func(row) string) {
	axes, others := axesOf(p, rows), othersOf(p, rows)
	switch several := varies(rows, client); {
	case several && len(others) == 0:
		return "client", func(r row) string { return worker(rows, r) }
	case several && len(others) == 1:
		return "client, " + others[0].name, func(r row) string { return worker(rows, r) + others[0].said(rows, r, ", ") }
	case !several && len(axes) == 1:
		return axes[0].name, axes[0].of
	}
	return "setting", unprefixed
}

// unprefixed is the label of a row among those of its workload.
func unprefixed(r row) string { return strings.TrimPrefix(r.Label, r.Workload+" ") }

// othersOf are the axes that vary in some rows beside those of who does the work.
func othersOf(p result.Plan, rows []row) []axis {
	p.Axes = without(p.Axes, "client", "profile")
	return axesOf(p, rows)
}

func without(axes []result.Axis, names ...string) []result.Axis {
	return slices.DeleteFunc(slices.Clone(axes), func(a result.Axis) bool { return slices.Contains(names, a.Name) })
}

// worker names who does the work of a row: a rung by what it adds, a client with its
// profile where that varies.
func worker(rows []row, r row) string {
	if r.Adds != "" {
		return r.Adds
	}
	return clientOf(rows, r)
}

func clientOf(rows []row, r row) string {
	profiles := varies(clientsOf(rows), func(r row) string { return r.Profile })
	if !profiles || r.Adds != "" || r.Profile == own || r.Profile == "" {
		return r.Client
	}
	return r.Client + ", " + r.Profile
}

// clientsOf are the rows that are no rungs.
func clientsOf(rows []row) []row {
	return those(rows, func(r row) bool { return r.Adds == "" })
}

func hasRungs(rows []row) bool { return len(clientsOf(rows)) < len(rows) }

// named is a report in which what tells clients apart is written as the tables have
// it: "franz, tuned". Other labels stay as they are. It changes r, a copy.
func named(r result.ExperimentReport) result.ExperimentReport {
	groups := byWorkload(r.Rows)
	labels := map[string]string{}
	for _, rows := range groups {
		if !varies(rows, client) {
			continue
		}
		for _, row := range rows {
			label := fullName(r.Plan, rows, row)
			if len(groups) > 1 {
				label = row.Workload + " " + label
			}
			labels[row.Label] = label
			r.Rows[row.Index].Label = label
		}
	}
	rename := func(label *string) {
		if name, found := labels[*label]; found {
			*label = name
		}
	}
	for i := range r.Comparisons {
		rename(&r.Comparisons[i].A)
		rename(&r.Comparisons[i].B)
	}
	for i := range r.Gates {
		rename(&r.Gates[i].Row)
	}
	return r
}

// fullName names a row in text that stands without the head of a table.
func fullName(p result.Plan, rows []row, r row) string {
	name := worker(rows, r)
	for _, a := range without(p.Axes, "client", "profile") {
		if of := func(r row) string { return r.Values[a.Name] }; varies(rows, of) {
			name += axis{name: a.Name, of: of}.said(rows, r, ", "+a.Name+"=")
		}
	}
	return name
}

// said is the value of a row behind what introduces it; nothing where it has none, or where
// its client is never told one.
func (a axis) said(rows []row, r row, before string) string {
	if a.of(r) == "" {
		return ""
	}
	for _, other := range rows {
		if other.Client == r.Client && a.of(other) != own {
			return before + a.of(r)
		}
	}
	return ""
}

// namesOfAll tell all rows of a report apart, by their index.
func namesOfAll(r result.ExperimentReport) (head string, all []string) {
	groups := byWorkload(r.Rows)
	all = make([]string, len(r.Rows))
	for i, rows := range groups {
		of, cells := names(r.Plan, rows)
		if i == 0 {
			head = of
		} else if of != head {
			head = "setting"
		}
		for j, row := range rows {
			all[row.Index] = cells[j]
			if len(groups) > 1 {
				all[row.Index] = row.Workload + " " + cells[j]
			}
		}
	}
	return head, all
}

// mostNames is how many rows a note names one by one.
const mostNames = 4

// whoAre names some of the rows of a table in few words: a client whose rows are all
// among them by its name alone.
func whoAre(some, all []row) string {
	if len(all) > 1 && len(some) == len(all) {
		return "each"
	}
	var parts []string
	taken := map[int]bool{}
	for _, r := range some {
		if taken[r.Index] {
			continue
		}
		part, covered := widest(r, some, all)
		parts = append(parts, part)
		for _, c := range covered {
			taken[c.Index] = true
		}
	}
	if left := len(parts) - mostNames; left > 1 {
		parts = append(parts[:mostNames], "and "+strconv.Itoa(left)+" more")
	}
	return strings.Join(parts, "; ")
}

// widest is the shortest name that a row has in common with others of some, and
// those whom it names: its client, its client and profile, or its own.
func widest(r row, some, all []row) (name string, covered []row) {
	byClient := func(o row) bool { return o.Client == r.Client }
	byProfile := func(o row) bool { return o.Client == r.Client && o.Profile == r.Profile }
	for i, same := range []func(row) bool{byClient, byProfile} {
		of := those(all, same)
		if varies(all, client) && len(of) > 1 && len(those(some, same)) == len(of) {
			return []string{r.Client, clientOf(all, r)}[i], of
		}
	}
	return unprefixed(r), []row{r}
}

func client(r row) string { return r.Client }

func those(rows []row, of func(row) bool) []row {
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return !of(r) })
}
