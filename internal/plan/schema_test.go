package plan

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
)

// violations are what a JSON Schema has against a value: as much of the 2020-12
// draft as Schema uses; a keyword beyond that is a violation, too. As there, a
// keyword says nothing about values of a type that it is not for.
func violations(s map[string]any, value any, at string) (all []string) {
	for keyword, want := range s {
		if against, ok := keywords[keyword]; !ok {
			all = append(all, at+" has a keyword that this test does not know: "+keyword)
		} else if against != nil && against(want, value) {
			all = append(all, fmt.Sprintf("%s is %v, against %s %v", at, value, keyword, want))
		}
	}
	if items, ok := s["items"].(map[string]any); ok {
		list, _ := value.([]any)
		for i, item := range list {
			all = append(all, violations(items, item, fmt.Sprintf("%s[%d]", at, i))...)
		}
	}
	members, _ := value.(map[string]any)
	for key, item := range members {
		all = append(all, member(s, s["additionalProperties"], key, item, at)...)
	}
	return all
}

// keywords say whether a value is against them; nil is for those that violations
// looks at by itself, or that say nothing about values.
var keywords map[string]func(want, value any) bool

func init() {
	keywords = map[string]func(want, value any) bool{
		"$schema": nil, "title": nil, "description": nil,
		"items": nil, "properties": nil, "patternProperties": nil, "additionalProperties": nil,
		"type": func(want, value any) bool {
			return !slices.ContainsFunc(listed(want), func(name any) bool { return isA(value, name.(string)) })
		},
		"enum":  func(want, value any) bool { return !slices.Contains(want.([]any), value) },
		"const": func(want, value any) bool { return value != want },
		"anyOf": func(want, value any) bool {
			return !slices.ContainsFunc(want.([]any), func(one any) bool { return len(violations(one.(map[string]any), value, "")) == 0 })
		},
		"minimum":          about(func(n, bound float64) bool { return n < bound }),
		"exclusiveMinimum": about(func(n, bound float64) bool { return n <= bound }),
		"maximum":          about(func(n, bound float64) bool { return n > bound }),
		"minLength":        about(func(text string, bound float64) bool { return float64(len([]rune(text))) < bound }),
		"maxLength":        about(func(text string, bound float64) bool { return float64(len([]rune(text))) > bound }),
		"pattern":          about(func(text, pattern string) bool { return !regexp.MustCompile(pattern).MatchString(text) }),
		"minItems":         about(func(items []any, bound float64) bool { return float64(len(items)) < bound }),
		"required": about(func(members map[string]any, keys []any) bool {
			return slices.ContainsFunc(keys, func(key any) bool { return members[key.(string)] == nil })
		}),
	}
}

// about is a keyword for values of one type.
func about[V, W any](against func(V, W) bool) func(want, value any) bool {
	return func(want, value any) bool {
		v, ok := value.(V)
		return ok && against(v, want.(W))
	}
}

// member checks one value of a mapping by every schema that is for its key.
func member(s map[string]any, additional any, key string, value any, at string) (all []string) {
	at += "." + key
	known := false
	if properties, ok := s["properties"].(map[string]any); ok && properties[key] != nil {
		known = true
		all = violations(properties[key].(map[string]any), value, at)
	}
	patterns, _ := s["patternProperties"].(map[string]any)
	for pattern, schema := range patterns {
		if regexp.MustCompile(pattern).MatchString(key) {
			known = true
			all = append(all, violations(schema.(map[string]any), value, at)...)
		}
	}
	if values, ok := additional.(map[string]any); ok && !known {
		return violations(values, value, at)
	}
	if !known {
		all = append(all, at+" is no key")
	}
	return all
}

func listed(v any) []any {
	if all, ok := v.([]any); ok {
		return all
	}
	return []any{v}
}

func isA(value any, name string) bool {
	switch v := value.(type) {
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case float64:
		return name == "number" || name == "integer" && v == float64(int64(v))
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	}
	return false
}

// schemaOf is what Schema prints, and generic a YAML file as JSON has it.
func schemaOf(t *testing.T) map[string]any {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func generic(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	asJSON, err := yaml.YAMLToJSON(text)
	if err == nil {
		err = json.Unmarshal(asJSON, &value)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestSchemaTakesWhatParseTakes(t *testing.T) {
	s := schemaOf(t)
	files := map[string][]byte{}
	for _, suite := range Suites() {
		files[suite.Name] = suite.YAML
	}
	full, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files["full"] = full
	for name, text := range files {
		if all := violations(s, generic(t, text), name); len(all) > 0 {
			t.Errorf("%q", all)
		}
	}
}

func TestSchemaRefusesWrongKeysAndValues(t *testing.T) {
	s := schemaOf(t)
	for _, yaml := range []string{
		"measure: consume",
		"question: ?\ncolour: red",
		"question: ?\nmeasure: count",
		"question: ?\nkafka: remote",
		"question: ?\nbase: {consumer: 1}",
		"question: ?\nbase: {consumers: 0}",
		"question: ?\nbase: {consumers: 257}",
		"question: ?\nbase: {record-size: 1MB}",
		"question: ?\nbase: {payload: [text]}",
		"question: ?\nbase: {acks: 2}",
		"question: ?\nbase: {topic: {a: [1]}}",
		"question: ?\naxes: {consumers: []}",
		"question: ?\naxes: {consumers: 3}",
		"question: ?\naxes: {compression: [zip]}",
		"question: ?\naxes: {a.b: [[1]]}",
		"question: ?\nrounds: 0",
		"question: ?\ntime: 5",
		"question: ?\ntiming: {windows: 2s}",
		"question: ?\nmargin: 3",
		"question: ?\npublished: {consume: [{consumers: 1, records-per-second: 5}]}",
		"question: ?\npublished: {source: x, consume: [{consumers: 1}]}",
	} {
		if len(violations(s, generic(t, []byte(yaml)), "")) == 0 {
			t.Errorf("the schema takes\n%s", yaml)
		}
		if _, err := Parse("f.yaml", []byte(yaml), nil); err == nil {
			t.Errorf("Parse takes\n%s", yaml)
		}
	}
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	var look func(at string, s map[string]any)
	look = func(at string, s map[string]any) {
		properties, _ := s["properties"].(map[string]any)
		for name, of := range properties {
			of := of.(map[string]any)
			if of["description"] == nil && filepath.Base(at) != "published" && at != "/published/consume" {
				t.Errorf("%s/%s has no description", at, name)
			}
			look(at+"/"+name, of)
		}
	}
	look("", schemaOf(t))
}
