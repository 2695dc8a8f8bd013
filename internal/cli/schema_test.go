package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	generate "github.com/invopop/jsonschema"
	validate "github.com/santhosh-tekuri/jsonschema/v6"

	"redline/internal/schema"
	"redline/result"
)

// documents are what -o json prints, by the "schema" in it.
var documents = map[string]any{
	errorSchema:             document{},
	topicSchema:             topicDocument{},
	topicsSchema:            topicsDocument{},
	groupSchema:             groupDocument{},
	groupsSchema:            groupsDocument{},
	brokerSchema:            brokerDocument{},
	brokersSchema:           brokersDocument{},
	suitesSchema:            suitesAnswer{},
	schemasSchema:           schemasAnswer{},
	historySchema:           historyAnswer{},
	cleanSchema:             cleanAnswer{},
	versionSchema:           versionAnswer{},
	propertiesSchema:        propertiesDocument{},
	contextsSchema:          contextsDocument{},
	result.ConsumeSchema:    result.ConsumeReport{},
	result.ProduceSchema:    result.ProduceReport{},
	result.LimitSchema:      result.LimitReport{},
	result.ExperimentSchema: result.ExperimentReport{},
	result.PlanSchema:       result.Plan{},
	result.CompareSchema:    result.CompareReport{},
	result.AASchema:         result.AAReport{},
	result.DoctorSchema:     result.DoctorReport{},
	result.ProgressSchema:   result.Progress{},
	result.TrialDoneSchema:  result.TrialDone{},
}

const resultPackage = "redline/result"

// sources are the packages whose comments describe the documents.
var sources = map[string]string{
	"redline/internal/cli":    ".",
	"redline/internal/runs":   filepath.Join("..", "runs"),
	"redline/internal/doctor": filepath.Join("..", "doctor"),
	resultPackage:             filepath.Join("..", "..", "result"),
}

func TestSchemasAreThoseOfTheTypes(t *testing.T) {
	said := comments(t)
	names := []string{}
	for id, document := range documents {
		name := schema.Short(id)
		names = append(names, name)
		want := schemaOf(t, id, document, said)
		file := filepath.Join("..", "schema", name+".json")
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not that of its type; go test -run Schemas -update writes it:\n%s", file, diff)
		}
	}
	files, err := filepath.Glob(filepath.Join("..", "schema", "*.json"))
	if err != nil || len(files) != len(names) {
		t.Errorf("%d files for %d documents: %v", len(files), len(names), err)
	}
}

// schemaOf generates a schema. Fields may be added to documents, so other keys are
// allowed. A pointer without omitempty may be null; lists and maps are empty instead.
func schemaOf(t *testing.T, id string, document any, said map[string]string) []byte {
	t.Helper()
	r := &generate.Reflector{
		Anonymous: true, AllowAdditionalProperties: true, ExpandedStruct: true,
		LookupComment: func(t reflect.Type, field string) string {
			return said[strings.TrimSuffix(t.PkgPath()+"."+t.Name()+"."+field, ".")]
		},
	}
	s := r.Reflect(document)
	s.Title = id
	allowNull(s, reflect.TypeOf(document))
	for name, of := range structs(reflect.TypeOf(document), map[string]reflect.Type{}) {
		if definition := s.Definitions[name]; definition != nil {
			allowNull(definition, of)
		}
	}
	if of, there := s.Properties.Get("schema"); there {
		of.Const = id
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func allowNull(s *generate.Schema, of reflect.Type) {
	for _, f := range reflect.VisibleFields(of) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		property, there := s.Properties.Get(name)
		nullable := f.Type.Kind() == reflect.Pointer
		if !nullable || strings.Contains(options, "omitempty") || !there {
			continue
		}
		description := property.Description
		property.Description = ""
		s.Properties.Set(name, &generate.Schema{AnyOf: []*generate.Schema{property, {Type: "null"}}, Description: description})
	}
}

// structs are all struct types that a type leads to, by name.
func structs(t reflect.Type, found map[string]reflect.Type) map[string]reflect.Type {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return structs(t.Elem(), found)
	case reflect.Struct:
		if found[t.Name()] != nil {
			return found
		}
		found[t.Name()] = t
		for i := range t.NumField() {
			structs(t.Field(i).Type, found)
		}
	}
	return found
}

// comments are those of types and their fields, as "package.Type" and
// "package.Type.Field", on one line each.
func comments(t *testing.T) map[string]string {
	t.Helper()
	said := map[string]string{}
	for path, folder := range sources {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, declared := range parsed.Decls {
				if d, ok := declared.(*ast.GenDecl); ok {
					commentsOf(d, path, said)
				}
			}
		}
	}
	return said
}

func commentsOf(d *ast.GenDecl, path string, said map[string]string) {
	for _, spec := range d.Specs {
		typ, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		name := path + "." + typ.Name.Name
		if text := oneLine(typ.Doc, d.Doc); text != "" {
			said[name] = text
		}
		fields, ok := typ.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range fields.Fields.List {
			for _, ident := range field.Names {
				if text := oneLine(field.Doc, field.Comment); text != "" {
					said[name+"."+ident.Name] = text
				}
			}
		}
	}
}

func oneLine(groups ...*ast.CommentGroup) string {
	for _, g := range groups {
		if text := strings.Join(strings.Fields(g.Text()), " "); text != "" {
			return text
		}
	}
	return ""
}

// Whatever names a schema of ours has one.
func TestEveryDocumentHasASchema(t *testing.T) {
	// What lies in the folder of a run, and is not printed.
	stored := []string{result.SessionsSchema}
	id := regexp.MustCompile(`"(redline\.[a-z-]+/v\d+)"`)
	for _, folder := range sources {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, found := range id.FindAllSubmatch(text, -1) {
				name := string(found[1])
				if _, there := documents[name]; !there && !slices.Contains(stored, name) {
					t.Errorf("%s prints %s, which documents does not have", file, name)
				}
			}
		}
	}
}

// checkObjects holds each JSON object of an output against the schema that it names.
func checkObjects(output []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(output))
	for {
		var object json.RawMessage
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("no JSON: %w", err)
		}
		if err := checkObject(object); err != nil {
			return err
		}
	}
}

func checkObject(object []byte) error {
	var named struct{ Schema string }
	if err := json.Unmarshal(object, &named); err != nil {
		return err
	}
	text, there := schema.Find(named.Schema)
	if !there {
		return fmt.Errorf("there is no schema %q", named.Schema)
	}
	parsed, err := validate.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	compiler := validate.NewCompiler()
	if err := compiler.AddResource("schema.json", parsed); err != nil {
		return err
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		return err
	}
	value, err := validate.UnmarshalJSON(bytes.NewReader(object))
	if err != nil {
		return err
	}
	return compiled.Validate(value)
}

func TestTheGoldenReportsFitTheirSchemas(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "report", "testdata", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(file, "hostile") { // every text of it is mangled, the schema's too
			continue
		}
		var report result.ExperimentReport
		if err := json.Unmarshal(text, &report); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var printed bytes.Buffer
		if err := printJSON(&printed, report); err != nil {
			t.Fatal(err)
		}
		if err := checkObjects(printed.Bytes()); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// A check that finds nothing is none.
func TestAnObjectThatBreaksItsSchemaIsFound(t *testing.T) {
	right := newDocument(errorSchema, errors.New("no"))
	text, err := json.Marshal(right)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkObjects(text); err != nil {
		t.Fatal(err)
	}
	for what, wrong := range map[string]string{
		"a number for an error": strings.Replace(string(text), `"error":"no"`, `"error":1`, 1),
		"no version":            strings.Replace(string(text), `"version"`, `"edition"`, 1),
		"an unknown schema":     strings.Replace(string(text), errorSchema, "redline.nothing/v1", 1),
		"no JSON":               "once upon a time",
	} {
		if err := checkObjects([]byte(wrong)); err == nil {
			t.Errorf("%s passes", what)
		}
	}
}

func TestAnUnknownSchemaNamesTheNearest(t *testing.T) {
	for name, nearest := range map[string]string{"topik": `the nearest is "topic"`, "xyzzy-plugh": "lists all"} {
		if _, err := findSchema(name); err == nil || !strings.Contains(err.Error(), nearest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		if _, err := findSchema(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
