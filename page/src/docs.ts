// The API's documentation, from the server's own OpenAPI document.
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle";
import "swagger-ui-dist/swagger-ui.css";

SwaggerUI({ url: "./openapi.json", dom_id: "#documentation", deepLinking: true, validatorUrl: null });
