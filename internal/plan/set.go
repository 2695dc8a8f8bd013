package plan

import (
	"slices"
	"strings"
)

// Set overrides settings as --set does, each assignment "name=value" or
// "name=value,value": the values of an axis, or the value of the base. A name
// that is no axis yet and is given several values becomes one. All are taken
// together, then checked as the file was; after an error, *Problems, the question
// is as before.
func (q *Question) Set(assignments ...string) error {
	changed := *q
	changed.base, changed.axes = slices.Clone(q.base), slices.Clone(q.axes)
	var f findings
	for _, assignment := range assignments {
		changed.assign(&f, assignment)
	}
	changed.build(&f)
	if err := f.err(); err != nil {
		return err
	}
	*q = changed
	return nil
}

func (q *Question) assign(f *findings, assignment string) {
	at := place{in: "--set " + oneLine(assignment)}
	key, texts, found := strings.Cut(assignment, "=")
	if !found {
		f.add(at, "this sets nothing: write it as NAME=VALUE or NAME=VALUE,VALUE")
		return
	}
	s, err := find(key)
	if err != nil {
		f.add(at, "%v", err)
		return
	}
	var values []value
	for text := range strings.SplitSeq(texts, ",") {
		if v, ok := f.take(s, key, strings.TrimSpace(text), at); ok {
			values = append(values, v)
		}
	}
	switch a := q.axisOf(s); {
	case len(values) == 0:
	case a != nil:
		a.at, a.values = at, values
	case len(values) > 1:
		q.axes = append(q.axes, axis{at, key, s, values})
	default:
		q.base = slices.DeleteFunc(q.base, func(c choice) bool { return c.setting.name == s.name })
		q.base = append(q.base, choice{key, s, values[0]})
	}
}

// oneLine shows what was typed as it was, on one line and not for ever.
func oneLine(text string) string {
	quoted := quote(text)
	return quoted[1 : len(quoted)-1]
}
