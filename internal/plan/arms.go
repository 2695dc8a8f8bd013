package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"redline/internal/client"
	"redline/internal/term"
	"redline/result"
)

// build makes the arms of a question, after its file was read or changed. When
// that found problems already, it looks for more, but makes nothing.
func (q *Question) build(f *findings) {
	if len(f.all) == 0 {
		if !q.countable(f) {
			return
		}
		q.distinct(f)
	}
	q.concerned(f)
	sides := q.sides(f)
	if len(f.all) > 0 {
		return
	}
	combinations := q.combinations()
	q.arms = make([]result.Arm, 0, len(q.Measure)*len(combinations))
	for _, workload := range q.Measure {
		begin := len(q.arms)
		for _, values := range combinations {
			if arm := q.arm(workload, values, sides); !slices.ContainsFunc(q.arms[begin:], sameProgram(arm)) {
				q.arms = append(q.arms, arm)
			}
		}
	}
	q.taken(f)
	q.oppose()
}

// countable says whether the axes go together, and to how many arms.
func (q *Question) countable(f *findings) bool {
	count, longest := uint64(len(q.Measure)), 0
	for _, a := range q.axes {
		longest = max(longest, len(a.values))
		if q.Combine == zip {
			if len(a.values) != len(q.axes[0].values) {
				f.add(a.at, "combine: zip takes the axes' values together, but %s has %d and %s has %d: give each as many", q.axes[0].name, len(q.axes[0].values), a.name, len(a.values))
				return false
			}
			continue
		}
		count = min(count*uint64(len(a.values)), 1e15) // a file is too short for more values than 1e4 times that
	}
	if q.Combine == zip && longest > 0 {
		count *= uint64(longest)
	}
	at := q.place()
	if len(q.axes) > 0 {
		at = q.axes[0].at
	}
	if count > maxArms {
		f.add(at, "axes multiply to %s settings; at most %s: leave out values, or take them together with combine: zip", term.Count(int64(count)), term.Count(maxArms))
		return false
	}
	if err := tooManyTrials(int(count), q.Rounds); err != nil {
		f.add(at, "%v", err)
		return false
	}
	return true
}

func tooManyTrials(arms, rounds int) error {
	if trials := int64(arms) * int64(rounds); trials > maxTrials {
		return fmt.Errorf("%d settings in %s rounds are %s trials; at most %s: take fewer rounds, or leave out values",
			arms, term.Count(int64(rounds)), term.Count(trials), term.Count(maxTrials))
	}
	return nil
}

// place is where something stands that has no line of its own.
func (q *Question) place() place { return place{q.file, 1} }

// distinct finds values, or values taken together, that stand there twice.
func (q *Question) distinct(f *findings) {
	twice := func(values []value, what func(value) string) {
		first := map[string]bool{}
		for _, v := range values {
			key := what(v)
			if first[key] {
				f.add(v.at, "%s stands here a second time", quote(v.text))
			}
			first[key] = true
		}
	}
	if q.Combine == product {
		for _, a := range q.axes {
			twice(a.values, func(v value) string { return v.canon })
		}
		return
	}
	first := map[string]bool{}
	for i, values := range q.combinations() {
		var together []string
		for _, v := range values {
			together = append(together, v.canon)
		}
		key := strings.Join(together, "\x00")
		if first[key] {
			f.add(values[0].at, "the values number %d of the axes stand there a second time", i+1)
		}
		first[key] = true
	}
}

// combinations are the values that arms have of the axes: one of each.
func (q *Question) combinations() [][]value {
	all := [][]value{nil}
	if q.Combine == zip && len(q.axes) > 0 {
		all = make([][]value, len(q.axes[0].values))
		for _, a := range q.axes {
			for i, v := range a.values {
				all[i] = append(all[i], v)
			}
		}
		return all
	}
	for _, a := range q.axes {
		var longer [][]value
		for _, values := range all {
			for _, v := range a.values {
				longer = append(longer, append(slices.Clip(values), v))
			}
		}
		all = longer
	}
	return all
}

// concerned finds settings that change nothing in what is measured.
func (q *Question) concerned(f *findings) {
	measured := list(q.Measure, "and")
	for _, a := range q.axes {
		for _, workload := range q.Measure {
			if !a.setting.concerns(workload) {
				f.add(a.at, "%s changes nothing for %s, and this question measures %s: measure %s alone, or leave the axis out", a.name, workload, measured, a.setting.only)
			}
		}
	}
	for _, c := range q.base {
		asFallback := false
		if v, ok := c.setting.read(c.setting.fallback); ok {
			asFallback = v.canon == c.value.canon
		}
		if c.setting.only != "" && !slices.Contains(q.Measure, c.setting.only) && !asFallback {
			f.add(c.value.at, "%s changes nothing for %s: leave it out", c.name, measured)
		}
	}
}

// arm sets one up: the base, then its values of the axes.
func (q *Question) arm(workload string, values []value, sides sides) result.Arm {
	arm := newArm(workload)
	for _, c := range q.base {
		if sides.take(c.setting, workload) {
			c.value.apply(&arm)
		}
	}
	arm.Values = make(map[string]string, len(values))
	for i, v := range values {
		v.apply(&arm)
		arm.Values[q.axes[i].name] = v.text
	}
	arm.Published = q.publishedFor(workload, values)
	if arm.Command = q.programs[arm.Client]; arm.Command != "" {
		arm.Profile = ownProfile
		if _, varies := arm.Values[profileAxis]; varies {
			arm.Values[profileAxis] = ownProfile
		}
	}
	if strings.HasPrefix(arm.Client, RungPrefix) {
		arm.Profile = "" // a rung has none
		delete(arm.Values, profileAxis)
	}
	return arm
}

// sides are the workloads whose clients take a property, by its setting's name. A
// setting that is not in it concerns both.
type sides map[string][]string

func (s sides) take(setting *setting, workload string) bool {
	workloads, ok := s[setting.name]
	return !ok || slices.Contains(workloads, workload)
}

// sides asks which workloads' clients take each property, and adds what no client
// takes. A question that measures both may set fetch.max.bytes and linger.ms at
// once in its base: each goes where it belongs.
func (q *Question) sides(f *findings) sides {
	all := sides{}
	clients := q.clients(f)
	for _, c := range q.base {
		if c.setting.property == "" {
			continue
		}
		var refusal error
		takers := []string{}
		for _, workload := range q.Measure {
			err := q.refusal(c.value, workload, clients)
			switch {
			case !c.setting.concerns(workload):
			case err == nil:
				takers = append(takers, workload)
			case refusal == nil || errors.Is(err, client.ErrProperty):
				refusal = err // that of a wrong value, rather than that of the other side
			}
		}
		if len(takers) == 0 && refusal != nil {
			f.add(c.value.at, "%v", refusal)
		}
		all[c.setting.name] = takers
	}
	for _, a := range q.axes {
		for _, workload := range q.Measure {
			if a.setting.property != "" && a.setting.concerns(workload) {
				q.refused(f, a, workload, clients)
			}
		}
	}
	return all
}

// refused adds the values of an axis that a client does not take.
func (q *Question) refused(f *findings, a axis, workload string, clients []value) {
	for _, v := range a.values {
		if err := q.refusal(v, workload, clients); err != nil {
			f.add(v.at, "%v", err)
		}
	}
}

// clients are the values of client that arms have; one that is not there at all
// is a problem, once.
func (q *Question) clients(f *findings) []value {
	row, _ := find("client")
	values := []value{{at: q.place(), apply: func(*result.Arm) {}}}
	for _, c := range q.base {
		if c.setting == row {
			values = []value{c.value}
		}
	}
	if a := q.axisOf(row); a != nil {
		values = a.values
	}
	var there []value
	for _, v := range values {
		arm := newArm(q.Measure[0])
		v.apply(&arm)
		arm.Command = q.programs[arm.Client]
		if err := q.ask(arm); err != nil && (len(values) == 1 || !errors.Is(err, client.ErrCannot)) {
			f.add(v.at, "%v", err)
			continue
		}
		there = append(there, v)
	}
	return there
}

// refusal is why no client takes a value of a property, on its own. One of several
// that does not is told in its rows.
func (q *Question) refusal(v value, workload string, clients []value) error {
	var refusal error
	for _, c := range clients {
		arm := newArm(workload)
		c.apply(&arm)
		arm.Command = q.programs[arm.Client]
		if q.ask(arm) != nil {
			continue // it does not do such work, whatever it is set to
		}
		v.apply(&arm)
		err := q.ask(arm)
		if err == nil {
			return nil
		}
		if refusal == nil {
			refusal = err
		}
	}
	return refusal
}

func (q *Question) ask(arm result.Arm) error {
	if q.check == nil {
		return nil
	}
	return q.check(arm)
}

// taken asks for whole arms, whose settings may contradict each other though each
// is right on its own. Where there are several clients, what one of them cannot do is
// no mistake: its arms say so, and are not tried.
func (q *Question) taken(f *findings) {
	asked := map[string]error{}
	doing := map[string]bool{} // clients with an arm that can be tried
	for i := range q.arms {
		arm := &q.arms[i]
		s := arm.Setting
		key := fmt.Sprint(arm.Workload, arm.Client, arm.Profile, s.Instances, s.Compression, s.Acks, s.Properties, s.Handler)
		err, known := asked[key]
		if !known {
			err = q.ask(*arm)
			asked[key] = err
		}
		if err != nil {
			arm.Cannot = err.Error()
		} else {
			doing[arm.Client] = true
		}
	}
	others := len(doing) > 0 && q.severalClients()
	told := map[string]bool{}
	for i := range q.arms {
		if why := q.arms[i].Cannot; why != "" && !others && !told[why] {
			told[why] = true
			f.add(q.blame(), "%s", why)
		}
	}
}

func (q *Question) severalClients() bool {
	row, _ := find(clientAxis)
	a := q.axisOf(row)
	return a != nil && len(a.values) > 1
}

// sameProgram finds an arm that differs from one with a program for its client in
// nothing at all, now that profiles are none of its business.
func sameProgram(arm result.Arm) func(result.Arm) bool {
	return func(other result.Arm) bool {
		return arm.Command != "" && other.Workload == arm.Workload && maps.Equal(other.Values, arm.Values)
	}
}

// oppose says which arm each is compared with: that which has the values of against
// and is else alike, or the first of its workload. An arm that is not tried is
// compared with none, and none with it.
func (q *Question) oppose() {
	first := map[string]int{}
	for i := range q.arms {
		arm := &q.arms[i]
		arm.Against = -1
		if arm.Cannot != "" {
			continue
		}
		if _, known := first[arm.Workload]; !known {
			first[arm.Workload] = i
		}
		against := first[arm.Workload]
		if len(q.against) > 0 {
			against = slices.IndexFunc(q.arms, q.opponent(*arm))
		}
		if against >= 0 && against != i && q.arms[against].Cannot == "" {
			arm.Against = against
		}
	}
}

// opponent finds the arm that one is compared with by against.
func (q *Question) opponent(arm result.Arm) func(result.Arm) bool {
	wanted := maps.Clone(arm.Values)
	for _, m := range q.against {
		wanted[q.axisOf(m.setting).name] = m.value.text
	}
	return func(other result.Arm) bool { return other.Workload == arm.Workload && maps.Equal(other.Values, wanted) }
}

// blame is where to look for a contradiction between settings of a client: the
// last axis that sets it, else the last of the base.
func (q *Question) blame() place {
	at := q.place()
	client := func(s *setting) bool {
		return s.property != "" || slices.Contains([]string{"client", "profile", "acks", "compression"}, s.name)
	}
	for _, c := range q.base {
		if client(c.setting) {
			at = c.value.at
		}
	}
	for _, a := range q.axes {
		if client(a.setting) {
			at = a.at
		}
	}
	return at
}
