package direct

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

func TestSomeErrorsAreFinalAtOnceAndSomeWhenTheyLast(t *testing.T) {
	const refused, missing, denied, found, accepted = "refused", "missing", "denied", "found", "accepted"
	other := errors.New("another one")
	met := map[string]error{refused: kerr.SaslAuthenticationFailed, missing: kerr.UnknownTopicOrPartition, denied: kerr.TopicAuthorizationFailed, "large": kerr.MessageTooLarge, "gone": &gone{other}, "other": other}
	type step struct {
		what  string
		times int
		every time.Duration
		final bool // in the end
	}
	for name, steps := range map[string][]step{
		"access":                      {{denied, 1, 0, true}},
		"another topic":               {{"gone", 1, 0, true}},
		"a broker that is gone":       {{"other", 100, time.Second, false}},
		"refused for a moment":        {{refused, 5, time.Second, false}},
		"refused for long":            {{refused, 6, time.Second, true}},
		"refused now and again":       {{refused, 10, time.Minute, false}},
		"missing for a moment":        {{missing, 5, time.Second, false}},
		"missing for long":            {{missing, 6, time.Second, true}},
		"missing, and found between":  {{missing, 5, time.Second, false}, {found, 1, 0, false}, {missing, 5, time.Second, false}},
		"refused, and taken between":  {{refused, 5, time.Second, false}, {accepted, 1, 0, false}, {refused, 5, time.Second, false}},
		"refused, and broken between": {{refused, 5, time.Second, false}, {"other", 1, 0, false}, {refused, 1, 0, true}},
		"batches that are denied":     {{"batch " + denied, 5, time.Second, false}, {"batch " + denied, 1, 0, true}},
		"batches that are too large":  {{"batch large", 20, time.Second, false}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &patience{missingFor: missingFor}
				for i, s := range steps {
					var err error
					for range s.times {
						switch batch, of := strings.CutPrefix(s.what, "batch "); {
						case s.what == found:
							p.found()
						case s.what == accepted:
							p.accepted()
						case of:
							err = p.denied(met[batch])
						default:
							err = p.final(fmt.Errorf("fetching: %w", met[s.what]))
						}
						time.Sleep(s.every)
					}
					if (err != nil) != s.final {
						t.Errorf("step %d: %v", i, err)
					}
				}
			})
		})
	}
}

func TestBackOffGrowsToASecondAndIsSpread(t *testing.T) {
	for failures, about := range map[int]time.Duration{-1: firstBackOff, 0: firstBackOff, 1: firstBackOff, 2: 2 * firstBackOff, 5: 16 * firstBackOff, 8: mostBackOff, 1 << 30: mostBackOff} {
		least, most := time.Hour, time.Duration(0)
		for range 1000 {
			wait := backOff(failures)
			least, most = min(least, wait), max(most, wait)
		}
		if least < about*8/10 || most > about*12/10 || most-least < about/5 {
			t.Errorf("after %d failures it is %v to %v, want about %v", failures, least, most, about)
		}
	}
}

func TestATopicIsToldFromANamesake(t *testing.T) {
	topology := newTopology(nil, "topic")
	one, other := [16]byte{1}, [16]byte{2}
	for i, step := range []struct {
		id   [16]byte
		same bool
	}{{noTopicID, true}, {one, true}, {one, true}, {noTopicID, true}, {one, true}, {noTopicID, true}, {other, false}, {one, true}} {
		err := topology.same(&view{topicID: step.id})
		var g *gone
		if (err == nil) != step.same || err != nil && !errors.As(err, &g) {
			t.Errorf("step %d: %v", i, err)
		}
	}
}
