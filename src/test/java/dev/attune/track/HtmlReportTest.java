package dev.attune.track;

import static dev.attune.track.TrackTrial.start;
import static dev.attune.track.TrackTrial.steps;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

/** The page of a run: all is in it, and nothing of data is anything but text. */
class HtmlReportTest {
  private static final String EVIL = "<script>alert('x')</script> & \"more\"";

  @TempDir private Path folder;
  private String page;
  private String svg;

  private static JsonNode json(String text) throws Exception {
    return new ObjectMapper().readTree(text.replace('\'', '"'));
  }

  @BeforeEach
  void make() throws Exception {
    Map<String, JsonNode> documents = new LinkedHashMap<>();
    documents.put(
        Documents.SUMMARY,
        json(
            "{'eval':{'accuracy':0.75},'test':{'accuracy':0.5},'tokens_per_second':1234,'best_step':7}"));
    documents.put(
        Documents.CONFUSION, json("{'split':'test','labels':['yes','no'],'counts':[[8,2],[1,4]]}"));
    documents.put(
        Documents.MISTAKES,
        json(
            "{'split':'test','compared':15,'wrong':3,'worst_by':'loss','worst':[{'place':'t.csv:3',"
                + "'gold':'yes','predicted':'no','error':3.5,'probability':0.97}]}"));
    ((ObjectNode) documents.get(Documents.MISTAKES).path("worst").get(0)).put("text", EVIL);
    documents.put(Documents.FINDINGS, json("[{'message':'overfitting: stop earlier'}]"));
    documents.put(
        Documents.REPRODUCTION,
        json("{'command':'attune train --model tiny','git':{'commit':'abc','branch':'main'}}"));
    Path store = folder.resolve("runs");
    try (RunStoreSink sink = new RunStoreSink(store)) {
      sink.begin(start(folder.resolve("out"), 0));
      sink.write(steps(1, 900, RunStatus.RUNNING));
      sink.write(
          new RunUpdate(
              List.of(new Point("eval/loss", 450, 1, 1.5), new Point("eval/loss", 900, 1, 1.2)),
              documents,
              900,
              900,
              RunStatus.FINISHED));
    }
    try (RunStore runs = RunStore.open(store)) {
      page = HtmlReport.of(runs, runs.runs().get(0));
      svg = HtmlReport.curves(runs, runs.runs().get(0));
    }
  }

  @Test
  void allThatIsKnownStandsInThePage() {
    for (String part :
        List.of(
            "overfitting: stop earlier",
            "attune train --model tiny",
            "git checkout abc",
            "0.7500",
            "1,234 real tokens/s",
            "best step 7",
            "<td class=\"cell h8\">8</td>",
            "t.csv:3",
            ">validation</text>",
            "<td>epochs</td>")) {
      assertTrue(page.contains(part), part);
    }
  }

  @Test
  void nothingIsFetchedAndNothingIsRun() {
    assertFalse(page.contains("<script"), "a text of the data is text");
    assertTrue(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;more"));
    String withoutNames = page.replace("http://www.w3.org/2000/svg", "");
    assertFalse(
        Pattern.compile("(?:https?:)?//\\w|@import|url\\(|<link|<img")
            .matcher(withoutNames)
            .find());
  }

  @Test
  void curvesAreAPictureOfTheirOwn() throws Exception {
    DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
    Document document =
        factory
            .newDocumentBuilder()
            .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)));
    assertEquals("svg", document.getDocumentElement().getNodeName());
    Element chart = (Element) document.getElementsByTagName("svg").item(1);
    assertEquals("520", chart.getAttribute("width"), "each has a place of its own");
    assertEquals("276", chart.getAttribute("height"));
    assertEquals(2, document.getElementsByTagName("path").getLength(), "two curves of loss");
    Files.writeString(folder.resolve("curves.svg"), svg);
    assertTrue(Files.size(folder.resolve("curves.svg")) < 60_000, "900 steps are thinned out");
  }
}
