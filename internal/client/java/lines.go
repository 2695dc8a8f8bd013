package java

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// counts are what a tool has told so far.
type counts struct {
	// records and bytes of their values; those of a consumer include keys.
	records, bytes int64
	// rate is the tool's own, in records per second: that of its last line about the
	// whole, else of its lines so far; 0 while there is none.
	rate float64
	// short says that it gave up before it had read what was asked.
	short bool
}

// reader counts what the lines of a tool tell.
type reader interface {
	// take reads one line of standard output, without its end. told says that it was
	// about what was done; other lines are passed over. An error says that it is one of
	// the tool's reports and makes no sense.
	take(line string) (told bool, err error)
	counts() counts
	// end is what it comes to when the tool has ended by itself, and well.
	end() counts
}

// The forms of the tools' own numbers, printed with %d, %.1f or %.4f. A rate of a time
// that is too short to measure is NaN or Infinity.
const (
	whole    = `(-?\d{1,18})`
	decimal  = `(\d+\.\d+)`
	quotient = `(-?\d+\.\d+|NaN|-?Infinity)`
	moment   = `(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3})`
)

var (
	consumedLine = regexp.MustCompile(`^` + moment + `, 0, ` + decimal + `, ` + quotient + `, ` + whole + `, ` + quotient + `, ` + whole + `, ` + whole + `, ` + quotient + `, ` + quotient + `$`)
	sharedLine   = regexp.MustCompile(`^` + moment + `, ` + moment + `, ` + decimal + `, ` + quotient + `, ` + quotient + `, ` + whole + `, ` + whole + `(?: for share consumer (\d{1,9}))?$`)
	windowLine   = regexp.MustCompile(`^` + whole + ` records sent, ` + quotient + ` records/sec \(` + quotient + ` MB/sec\), ` + quotient + ` ms avg latency, ` + quotient + ` ms max latency\.$`)
	producedLine = regexp.MustCompile(`^` + whole + ` records sent, ` + quotient + ` records/sec \(` + quotient + ` MB/sec\), ` + quotient + ` ms avg latency, ` + quotient + ` ms max latency, \d+ ms 50th, \d+ ms 95th, \d+ ms 99th, \d+ ms 99\.9th\.$`)

	// What these find can be nothing but a report.
	dated     = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}, `)
	sentences = regexp.MustCompile(`^-?\d+ records sent\b`)
	// pairs find where the report of a share consumer begins.
	pairs = regexp.MustCompile(moment + `, ` + moment + `, `)
)

// gaveUp begins the line of a consumer that did not get what was asked.
const gaveUp = "WARNING: Exiting before consuming the expected number of "

// mebibyte is what the tools call MB.
const mebibyte = 1 << 20

// errNonsense is wrapped by errors about a report that makes no sense.
var errNonsense = errors.New("printed a line that makes no sense")

func nonsense(line, why string) error {
	return fmt.Errorf("%w (%s): %q", errNonsense, why, cut(line, 200))
}

// consumed reads ConsumerPerformance, whose lines count from its beginning. The one line
// about the whole is left out when lines of detail are asked for, and its metrics lag by a
// fetch: that it has read all that was asked is told by an end without complaint.
type consumed struct {
	asked int64
	now   counts
	// elapsed is what the lines so far cover, in milliseconds.
	elapsed int64
}

func (c *consumed) counts() counts { return c.now }

func (c *consumed) take(line string) (bool, error) {
	if strings.HasPrefix(line, gaveUp) {
		c.now.short = true
		return false, nil
	}
	m := consumedLine.FindStringSubmatch(line)
	if m == nil {
		if dated.MatchString(line) {
			return false, nonsense(line, "it is no report of Kafka's ConsumerPerformance")
		}
		return false, nil
	}
	bytes, err := megabytes(line, m[2])
	if err != nil {
		return false, err
	}
	records, took := integer(m[4]), integer(m[6])+integer(m[7])
	switch {
	case records < c.now.records || bytes < c.now.bytes:
		return false, nonsense(line, "it counts less than the one before")
	case took < 0 || took > math.MaxInt64-c.elapsed:
		return false, nonsense(line, "time went backwards")
	}
	c.elapsed += took
	c.now.records, c.now.bytes = records, bytes
	if c.elapsed > 0 {
		c.now.rate = float64(records) / (float64(c.elapsed) / 1000)
	}
	return true, nil
}

// end counts what came after the last line. The rate is that of the lines, which have
// their times, and none where they leave out more than a tenth.
func (c *consumed) end() counts {
	all := c.now
	if all.short {
		return all
	}
	all.records = max(c.now.records, c.asked)
	if all.records-c.now.records > all.records/10 {
		all.rate = 0
	}
	return all
}

// shared reads ShareConsumerPerformance, whose lines count from the beginning of each
// consumer; the last one is about them all.
type shared struct {
	threads int
	of      map[int]counts
	whole   *counts
	short   bool
	// began and ended are the moments that the lines so far lie between.
	began, ended time.Time
}

func newShared(threads int) *shared {
	return &shared{threads: threads, of: make(map[int]counts)}
}

func (s *shared) counts() counts {
	if s.whole != nil {
		return *s.whole
	}
	sum := counts{short: s.short}
	for _, c := range s.of {
		sum.records += c.records
		sum.bytes += c.bytes
	}
	if took := s.ended.Sub(s.began).Seconds(); took > 0 {
		sum.rate = float64(sum.records) / took
	}
	return sum
}

func (s *shared) end() counts { return s.counts() }

func (s *shared) take(line string) (bool, error) {
	if strings.HasPrefix(line, gaveUp) {
		s.short = true
		return false, nil
	}
	if !dated.MatchString(line) {
		return false, nil
	}
	// The tool writes a report and the end of its line one after the other, so that those
	// of several consumers may share a line.
	starts := pairs.FindAllStringIndex(line, -1)
	if len(starts) == 0 {
		return false, nonsense(line, "it is no report of Kafka's ShareConsumerPerformance")
	}
	for i, at := range starts {
		end := len(line)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		if err := s.report(line[at[0]:end]); err != nil {
			return false, err
		}
	}
	return true, nil
}

// report takes one report of one consumer, or of all.
func (s *shared) report(text string) error {
	m := sharedLine.FindStringSubmatch(text)
	if m == nil {
		return nonsense(text, "it is no report of Kafka's ShareConsumerPerformance")
	}
	bytes, err := megabytes(text, m[3])
	if err != nil {
		return err
	}
	told := counts{records: integer(m[6]), bytes: bytes}
	if told.records < 0 || told.records > math.MaxInt64/int64(max(s.threads, 1)) {
		return nonsense(text, "it counts what cannot be counted")
	}
	if m[8] == "" {
		return s.sum(text, told, m[5])
	}
	began, ended, err := moments(text, m[1], m[2])
	if err != nil {
		return err
	}
	if s.began.IsZero() || began.Before(s.began) {
		s.began = began
	}
	if ended.After(s.ended) {
		s.ended = ended
	}
	return s.thread(text, int(integer(m[8])), told)
}

func (s *shared) thread(text string, number int, told counts) error {
	before := s.of[number]
	switch {
	case number < 1 || number > s.threads:
		return nonsense(text, fmt.Sprintf("there are %d consumers", s.threads))
	case told.records < before.records || told.bytes < before.bytes:
		return nonsense(text, "it counts less than the one before")
	}
	s.of[number] = told
	return nil
}

// sum takes the line about the whole.
func (s *shared) sum(text string, told counts, rate string) error {
	if told.records < s.counts().records {
		return nonsense(text, "it counts less than the lines before")
	}
	told.short, told.rate = s.short, ratio(rate)
	s.whole = &told
	return nil
}

// produced reads ProducerPerformance, whose lines count acknowledged records, each since
// the one before; the last one, of a producer that has sent all, counts them all.
type produced struct {
	size int64
	now  counts
	// elapsed is what the lines so far cover, in seconds.
	elapsed float64
}

func (p *produced) counts() counts { return p.now }

func (p *produced) end() counts { return p.now }

func (p *produced) take(line string) (bool, error) {
	if m := producedLine.FindStringSubmatch(line); m != nil {
		if integer(m[1]) < p.now.records {
			return false, nonsense(line, "it counts less than the lines before")
		}
		p.now.rate = ratio(m[2])
		return true, p.count(line, integer(m[1]))
	}
	m := windowLine.FindStringSubmatch(line)
	if m == nil {
		if sentences.MatchString(line) {
			return false, nonsense(line, "it is no report of Kafka's ProducerPerformance")
		}
		return false, nil
	}
	sent := integer(m[1])
	if sent < 0 || sent > math.MaxInt64-p.now.records {
		return false, nonsense(line, "it counts what cannot be counted")
	}
	if rate := ratio(m[2]); rate > 0 {
		p.elapsed += float64(sent) / rate
	}
	if err := p.count(line, p.now.records+sent); err != nil {
		return false, err
	}
	if p.elapsed > 0 {
		p.now.rate = float64(p.now.records) / p.elapsed
	}
	return true, nil
}

// count takes how many records there are, of one size each.
func (p *produced) count(line string, records int64) error {
	if records > math.MaxInt64/max(p.size, 1) {
		return nonsense(line, "it counts what cannot be counted")
	}
	p.now.records, p.now.bytes = records, records*p.size
	return nil
}

// integer reads what the form "whole" has found.
func integer(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// ratio reads a rate; 0 if it is none.
func ratio(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || f < 0 {
		return 0
	}
	return f
}

// megabytes reads a number of mebibytes, as bytes.
func megabytes(line, text string) (int64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f >= 1<<40 {
		return 0, nonsense(line, "it counts what cannot be counted")
	}
	return int64(math.Round(f * mebibyte)), nil
}

// moments reads two times of the tool's form, whose last colon is Go's point.
func moments(line, began, ended string) (from, to time.Time, err error) {
	var both [2]time.Time
	for i, text := range []string{began, ended} {
		last := strings.LastIndexByte(text, ':')
		if both[i], err = time.Parse("2006-01-02 15:04:05.000", text[:last]+"."+text[last+1:]); err != nil {
			return from, to, nonsense(line, "it has no such time")
		}
	}
	return both[0], both[1], nil
}

// cut shortens a text for a sentence.
func cut(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
