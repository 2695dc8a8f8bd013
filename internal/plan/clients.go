package plan

import (
	"maps"
	"slices"
	"strings"

	"redline/result"
)

// Names of the axes that say who does the work.
const (
	clientAxis  = "client"
	profileAxis = "profile"
)

// ownProfile is that of a client which is a program of somebody else's.
const ownProfile = result.Own

// RungPrefix begins the clients that are rungs of the ladder.
const RungPrefix = "rung:"

// Program is a client that is somebody's program.
type Program struct {
	// Name is what stands in reports, Command the program with its arguments.
	Name, Command string
}

// Clients chooses the clients of a question as --clients and --client NAME=exec:COMMAND
// do: only, if not empty, are those of its axis that stay, and rungs of the ladder
// always do; programs are added to it. The arms are checked anew; after an error,
// *Problems, the question is as before.
func (q *Question) Clients(only []string, programs []Program) error {
	changed := *q
	changed.base, changed.axes = slices.Clone(q.base), slices.Clone(q.axes)
	changed.programs = maps.Clone(q.programs)
	var f findings
	changed.add(&f, programs)
	changed.keep(&f, only, programs)
	changed.build(&f)
	if err := f.err(); err != nil {
		return err
	}
	*q = changed
	return nil
}

// add makes each program a value of the axis of clients.
func (q *Question) add(f *findings, programs []Program) {
	row, _ := find(clientAxis)
	for _, p := range programs {
		at := place{in: "--client " + oneLine(p.Name)}
		v, ok := f.take(row, clientAxis, p.Name, at)
		if !ok {
			continue
		}
		if q.programs == nil {
			q.programs = map[string]string{}
		}
		q.programs[p.Name] = p.Command
		a := q.clientAxis(row)
		if slices.ContainsFunc(a.values, func(w value) bool { return w.canon == v.canon }) {
			f.add(at, "there is a client of that name already: take another name")
			continue
		}
		a.values = append(slices.Clip(a.values), v)
		if q.Combine != zip {
			continue
		}
		for i := range q.axes {
			if other := &q.axes[i]; other != a {
				other.values = append(slices.Clip(other.values), other.values[len(other.values)-1])
			}
		}
	}
}

// clientAxis is the axis of clients; a question without one gets it, with the client
// of its base.
func (q *Question) clientAxis(row *setting) *axis {
	if a := q.axisOf(row); a != nil {
		return a
	}
	v, _ := row.read(row.fallback)
	for _, c := range q.base {
		if c.setting.name == row.name {
			v = c.value
		}
	}
	q.base = slices.DeleteFunc(q.base, func(c choice) bool { return c.setting.name == row.name })
	q.axes = append(q.axes, axis{at: q.place(), name: clientAxis, setting: row, values: []value{v}})
	return &q.axes[len(q.axes)-1]
}

// keep leaves out the clients that are not among only.
func (q *Question) keep(f *findings, only []string, programs []Program) {
	if len(only) == 0 {
		return
	}
	row, _ := find(clientAxis)
	a := q.clientAxis(row)
	at := place{in: "--clients " + oneLine(strings.Join(only, ","))}
	stays := func(v value) bool {
		return slices.Contains(only, v.text) || strings.HasPrefix(v.text, RungPrefix) ||
			slices.ContainsFunc(programs, func(p Program) bool { return p.Name == v.text })
	}
	for _, name := range only {
		if !slices.ContainsFunc(a.values, func(v value) bool { return v.text == name }) {
			var known []string
			for _, v := range a.values {
				known = append(known, v.text)
			}
			f.add(at, "the question has no client %s: it has %s", quote(name), list(slices.Compact(known), "and"))
			return
		}
	}
	var places []int
	for i, v := range a.values {
		if stays(v) {
			places = append(places, i)
		}
	}
	for i := range q.axes {
		if other := &q.axes[i]; other.name == a.name || q.Combine == zip {
			other.values = picked(other.values, places)
		}
	}
}

func picked(values []value, places []int) []value {
	var some []value
	for _, i := range places {
		some = append(some, values[i])
	}
	return some
}

// axisNames are the names of all axes.
func (q *Question) axisNames() []string {
	var all []string
	for _, a := range q.axes {
		all = append(all, a.name)
	}
	return all
}

// against reads which values tell the arm that each is compared with.
func (r *reader) against(what string, n node) {
	for _, p := range r.pairsOf(n, what) {
		m, ok := r.match(p)
		if !ok {
			continue
		}
		a := r.q.axisOf(m.setting)
		if !slices.ContainsFunc(a.values, func(v value) bool { return v.canon == m.value.canon }) {
			r.add(p.value.at, "%s has no value %s to compare with", a.name, quote(m.value.text))
			continue
		}
		r.q.against = append(r.q.against, m)
	}
}
