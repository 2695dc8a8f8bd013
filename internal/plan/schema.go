package plan

import (
	"encoding/json"

	"redline/result"
)

// Schema is the JSON Schema (2020-12) of the file, for editors. It is made of the
// tables that Parse reads a file by; Parse sees more, such as axes of unequal
// length.
func Schema() []byte {
	root := objectOf(fields)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "A question to redline"
	root["required"] = []any{"question"}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // the tables hold nothing that JSON has no word for
	}
	return append(text, '\n')
}

// objectOf is a mapping with these keys and no others.
func objectOf(rows []field) schema {
	keys := schema{}
	for _, row := range rows {
		keys[row.name] = described(row.schema, row.does)
	}
	return schema{"type": "object", "properties": keys, "additionalProperties": false}
}

// described is a schema with a sentence about it.
func described(s schema, does string) schema {
	with := schema{"description": does}
	for key, value := range s {
		with[key] = value
	}
	return with
}

func listOf(item schema) schema {
	return schema{"type": "array", "items": item, "minItems": 1}
}

// settingsSchema is a mapping whose keys are those of settings, and properties,
// with what of makes of the schema of a value.
func settingsSchema(of func(schema) schema) (keys, patterns schema) {
	keys, patterns = schema{}, schema{`\.`: of(anyText().schema)}
	for _, row := range settings {
		for _, name := range append([]string{row.name}, row.aliases...) {
			keys[name] = described(of(row.schema), row.does)
		}
	}
	return keys, patterns
}

func baseSchema() schema {
	keys, patterns := settingsSchema(func(s schema) schema { return s })
	values := anyText().schema
	keys["properties"] = schema{"description": "client properties, in Kafka's spelling", "type": "object", "additionalProperties": values}
	keys["topic"] = schema{"description": "properties of the topic", "type": "object", "additionalProperties": values}
	keys["broker"] = schema{"description": "properties of the brokers that are started", "type": "object", "additionalProperties": values}
	return schema{"type": "object", "properties": keys, "patternProperties": patterns, "additionalProperties": false}
}

func axesSchema() schema {
	keys, patterns := settingsSchema(listOf)
	return schema{"type": "object", "properties": keys, "patternProperties": patterns, "additionalProperties": false}
}

func againstSchema() schema {
	keys, patterns := settingsSchema(func(s schema) schema { return s })
	return schema{"type": "object", "properties": keys, "patternProperties": patterns, "additionalProperties": false}
}

func publishedSchema() schema {
	keys, patterns := settingsSchema(func(s schema) schema { return s })
	keys[rateKey] = rates.schema
	figures := listOf(schema{"type": "object", "properties": keys, "patternProperties": patterns, "required": []any{rateKey}, "additionalProperties": false})
	return schema{
		"type": "object", "required": []any{"source"}, "additionalProperties": false,
		"properties": schema{"source": words(200).schema, result.Consume: figures, result.Produce: figures},
	}
}
